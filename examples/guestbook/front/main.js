import { format } from "timeago.js";

for (const element of document.querySelectorAll("time")) {
  element.textContent = format(element.dateTime);
}

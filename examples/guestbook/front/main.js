import { ago } from "./ago.js";

for (const element of document.querySelectorAll("time")) {
  element.textContent = ago(new Date(element.dateTime), new Date());
}

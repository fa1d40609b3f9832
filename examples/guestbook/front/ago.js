// "5 minutes ago" for two dates.
export function ago(then, now) {
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  for (const [name, length] of units) {
    const count = Math.floor(seconds / length);
    if (count > 0) return `${count} ${name}${count > 1 ? "s" : ""} ago`;
  }
  return "just now";
}

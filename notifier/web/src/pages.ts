// The pages that the server draws: times in the viewer's own zone, ages that grow.

import { age } from "./words";

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

for (const el of document.querySelectorAll<HTMLTimeElement>("time[datetime]")) {
  el.title = day.format(Date.parse(el.dateTime));
}

function tick(): void {
  for (const el of document.querySelectorAll<HTMLTimeElement>("time[data-age]")) {
    el.textContent = `${age(Date.now() - Date.parse(el.dateTime))} ago`;
  }
}
tick();
setInterval(tick, 1000);

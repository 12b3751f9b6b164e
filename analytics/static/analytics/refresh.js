// Loads again what ends now, unless it is paused, hidden, or in a person's hands.

import { isRunning, onChange, readView } from "./view.js";

const SECONDS = { "5m": 5, "30m": 10, "1h": 10, "": 10 }; // "": the one that is shown at first
const SELDOM = 60; // of longer periods

const button = document.getElementById("report-pause");

export function keepUpToDate(load) {
  let timer;
  let held = false;
  const wait = () => {
    clearTimeout(timer);
    const view = readView();
    button.hidden = !isRunning(view);
    if (!button.hidden) timer = setTimeout(next, (SECONDS[view.period] ?? SELDOM) * 1000);
  };
  const next = async () => {
    if (!isPaused() && !held && !document.hidden) await load();
    wait();
  };
  button.addEventListener("click", () => {
    setPaused(!isPaused());
    if (!isPaused()) next();
  });
  addEventListener("pointerdown", () => (held = true));
  addEventListener("pointerup", () => (held = false));
  addEventListener("pointercancel", () => (held = false));
  onChange(wait);
  wait();
}

function isPaused() {
  return button.ariaPressed === "true";
}

function setPaused(paused) {
  button.ariaPressed = String(paused);
  const [icon, words] = button.children;
  icon.textContent = paused ? "play_arrow" : "pause";
  words.textContent = paused ? "Go on" : "Pause";
}

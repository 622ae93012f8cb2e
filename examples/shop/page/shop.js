// Replaces the parts of the page that have changed, when the shop says that something has happened.
"use strict";

const live = document.querySelector("[data-events]");
const slider = document.getElementById("step");
const connection = document.querySelector(".connection");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let isLoading = false;
let isDue = false;

// Names the cards, so that the browser can move them. No markup can: the page allows no styles in it.
function nameCards() {
  for (const card of document.querySelectorAll("[data-moves]")) {
    card.style.viewTransitionName = "order-" + card.dataset.moves;
  }
}

async function refresh() {
  isDue = true;
  if (isLoading) return;
  isLoading = true;
  while (isDue) {
    isDue = false;
    try {
      const answer = await fetch(location.href);
      if (!answer.ok) throw new Error(answer.statusText);
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      say("The shop does not answer.");
    }
    // At most so many pages a second, however much happens.
    await new Promise((done) => setTimeout(done, 200));
  }
  isLoading = false;
}

function replace(page) {
  const swap = () => {
    const focus = place(document.activeElement);
    for (const old of document.querySelectorAll("[data-live]")) {
      const now = page.getElementById(old.id);
      if (now && now.outerHTML !== old.outerHTML) old.replaceWith(document.adoptNode(now));
    }
    prepare();
    if (focus) document.querySelector(focus)?.focus({ preventScroll: true });
  };
  if (document.startViewTransition && !calm.matches && !slider) document.startViewTransition(swap);
  else swap();
}

// Where the focus is, so that it stays there when its link or button is replaced.
function place(element) {
  if (!element?.closest("[data-live]")) return null;
  if (element.dataset.command) return `[data-command="${CSS.escape(element.dataset.command)}"]`;
  return element.hasAttribute("href") ? `a[href="${CSS.escape(element.getAttribute("href"))}"]` : null;
}

function prepare() {
  nameCards();
  for (const button of document.querySelectorAll("[data-command]")) button.hidden = false;
  const state = document.getElementById("state");
  if (slider && state) {
    slider.max = state.dataset.count;
    if (document.activeElement !== slider) slider.value = state.dataset.at;
    slider.setAttribute("aria-valuetext", state.querySelector(".at").textContent);
  }
}

function say(text) {
  if (connection) connection.textContent = text;
}

// A command, as another program would send it. The key makes a second click the same command.
async function send(button) {
  const body = JSON.parse(button.dataset.body);
  if (button.dataset.command === "place-order") body.order = "W-" + Date.now().toString(36);
  button.disabled = true;
  const tenant = live.dataset.events.split("/")[1];
  const answer = await fetch(`/${tenant}/commands/${button.dataset.command}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
    body: JSON.stringify(body),
  });
  button.disabled = false;
  say(answer.ok ? "" : (await answer.json()).detail);
  refresh();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-command]");
  if (button) send(button).catch(() => say("The shop does not answer."));
});

if (slider) {
  slider.addEventListener("input", () => {
    // At the end, the page follows what happens.
    const isNewest = slider.value === slider.max;
    history.replaceState(null, "", isNewest ? location.pathname : "?step=" + slider.value);
    refresh();
  });
}

if (live) {
  const events = new EventSource(live.dataset.events);
  const number = live.dataset.number;
  events.onmessage = (message) => {
    const { key, payload } = JSON.parse(message.data);
    if (!number || key === number || payload?.order === number) refresh();
  };
  events.onopen = () => {
    say("");
    refresh();
  };
  events.onerror = () => say("Connecting again …");
  prepare();
}

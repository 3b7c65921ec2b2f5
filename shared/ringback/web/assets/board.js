// The board: cards are dragged between stages, or moved by a sheet that shows the lead's own page.
// A card moves at once and goes back when the server says no.

import { refresh, send, toast } from "./ringback.js";

const board = document.querySelector("[data-board]");
const csrf = () => document.body.dataset.csrf;
const lanes = () => [...board.querySelectorAll("[data-stage]")];
const cardsOf = (lane) => lane.querySelector("[data-rows]");
const moveSheet = document.getElementById("move-sheet");
const lostSheet = document.getElementById("lost-sheet");
let dragged = null;

// A card that was shown by "Show more" and is elsewhere by now stands there twice.
function dropTwins() {
  for (const card of board.querySelectorAll("[data-appended]")) {
    const twins = board.querySelectorAll(`[data-key="${CSS.escape(card.dataset.key)}"]`);
    if (twins.length > 1) card.remove();
  }
}

// What has no id is not brought up to date: nothing moves under a hand.
function freeze() {
  for (const part of board.querySelectorAll("[data-live][id]")) {
    part.dataset.frozen = part.id;
    part.removeAttribute("id");
  }
}

function thaw() {
  if (dragged) return;
  for (const part of board.querySelectorAll("[data-frozen]")) {
    part.id = part.dataset.frozen;
    delete part.dataset.frozen;
  }
}

// Dragging.

board.addEventListener("pointerdown", (event) => event.target.closest("[data-key]") && freeze());
document.addEventListener("pointerup", thaw);

board.addEventListener("dragstart", (event) => {
  const card = event.target.closest?.("[data-key]");
  if (!card) return;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", card.dataset.key);
  dragged = { card, from: card.parentElement, next: card.nextElementSibling };
  card.classList.add("dragged");
});

board.addEventListener("dragover", (event) => {
  const lane = event.target.closest("[data-stage]");
  if (!dragged || !lane) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "move";
  for (const one of lanes()) one.classList.toggle("target", one === lane);
  const below = cardBelow(cardsOf(lane), event.clientY);
  if (below !== dragged.card.nextElementSibling || dragged.card.parentElement !== cardsOf(lane)) {
    cardsOf(lane).insertBefore(dragged.card, below);
  }
});

function cardBelow(list, y) {
  const others = [...list.children].filter((card) => card !== dragged.card);
  return others.find((card) => y < middleOf(card)) ?? null;
}

function middleOf(card) {
  const { top, height } = card.getBoundingClientRect();
  return top + height / 2;
}

board.addEventListener("drop", (event) => {
  if (!dragged) return;
  event.preventDefault();
  const move = dragged;
  dragged = null;
  settle(move);
});

board.addEventListener("dragend", () => {
  const move = dragged;
  dragged = null;
  for (const lane of lanes()) lane.classList.remove("target");
  board.querySelector(".dragged")?.classList.remove("dragged");
  if (!move) return;
  putBack(move);
  thaw();
});

function putBack({ card, from, next }) {
  from.insertBefore(card, next?.parentElement === from ? next : null);
}

const isWhereItWas = ({ card, from, next }) => card.parentElement === from && card.nextElementSibling === next;

async function settle(move) {
  const stage = move.card.closest("[data-stage]").dataset.stage;
  const isOther = move.from !== move.card.parentElement;
  try {
    if (isWhereItWas(move)) return;
    const reason = isOther && stage === "lost" ? await askReason() : "";
    if (reason === null) return putBack(move);
    await sendMove(move, stage, reason);
  } finally {
    thaw();
    await refresh();
  }
}

function askReason() {
  lostSheet.querySelector("form").reset();
  lostSheet.returnValue = "";
  lostSheet.showModal();
  return new Promise((resolve) => {
    const answer = () => resolve(lostSheet.returnValue === "lost" ? lostSheet.querySelector("input").value : null);
    lostSheet.addEventListener("close", answer, { once: true });
  });
}

function placeOf(card) {
  const above = card.previousElementSibling?.dataset.key;
  const below = card.nextElementSibling?.dataset.key;
  if (above) return { after: above };
  return below ? { before: below } : {};
}

async function sendMove(move, stage, lost_reason) {
  const { card } = move;
  const body = { stage, version: Number(card.dataset.version), ...placeOf(card) };
  card.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(`/customers/${encodeURIComponent(card.dataset.key)}/move-stage`, {
      method: "POST",
      body: JSON.stringify(lost_reason.trim() ? { ...body, lost_reason } : body),
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": csrf() },
    });
    const said = await response.json();
    if (!response.ok) return refused(move, said.detail);
    card.dataset.version = said.version;
    toast(`Moved to ${said.label}.`);
  } catch {
    refused(move, "The server could not be reached.");
  } finally {
    card.removeAttribute("aria-busy");
  }
}

function refused(move, detail) {
  putBack(move);
  toast(`Not moved: ${detail}`, true);
}

// The sheet of a card: its own page's form and history, in place.

board.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-move]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  const page = await pageOf(link.href);
  const panel = page?.getElementById("lead-panel");
  if (!panel) return location.assign(link.href);
  document.getElementById("sheet-title").textContent = page.querySelector("h1").textContent;
  document.getElementById("sheet-body").replaceChildren(document.importNode(panel, true));
  moveSheet.dataset.of = link.closest("[data-key]").dataset.key;
  moveSheet.showModal();
  moveSheet.querySelector("select").focus();
});

async function pageOf(address) {
  try {
    const response = await fetch(address, { headers: { Accept: "text/html" } });
    return response.ok ? new DOMParser().parseFromString(await response.text(), "text/html") : null;
  } catch {
    return null;
  }
}

moveSheet.addEventListener("click", (event) => {
  if (event.target === moveSheet || event.target.closest("[data-close]")) moveSheet.close();
});

moveSheet.addEventListener("close", () => {
  document.getElementById("sheet-body").replaceChildren();
  board.querySelector(`[data-key="${CSS.escape(moveSheet.dataset.of)}"] a[data-move]`)?.focus();
});

moveSheet.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const result = await send(form).catch(() => ({ ok: false, document: { detail: "The server could not be reached." } }));
  if (!result.ok) return showRefusal(form, result.document);
  moveSheet.close();
  document.activeElement?.blur();
  toast(`Moved to ${result.document.label}.`);
  await refresh();
  board.querySelector(`[data-key="${CSS.escape(moveSheet.dataset.of)}"] a[data-move]`)?.focus();
});

function showRefusal(form, { detail, errors = {} }) {
  for (const slot of form.querySelectorAll("[data-error]")) {
    slot.textContent = (errors[slot.dataset.error] ?? []).join(" ");
    slot.hidden = !slot.textContent;
  }
  const general = form.querySelector("[data-form-error]");
  general.textContent = Object.keys(errors).length ? "" : detail;
  general.hidden = !general.textContent;
}

document.addEventListener("ringback:shown", dropTwins);

// The form of an automation: buttons that change its rows ask the server for the form as it is to be then, in place.

import { toast } from "./ringback.js";

const editor = () => document.querySelector("form[data-editor]");

async function formAfter(form, change) {
  const data = new URLSearchParams(new FormData(form));
  data.set("change", change);
  const response = await fetch("/automations/draft", {
    method: "POST",
    body: data,
    headers: { Accept: "text/html" },
    credentials: "same-origin",
  });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.querySelector("form[data-editor]");
  if (!fresh) throw new Error("no form");
  return document.importNode(fresh, true);
}

async function change(form, wanted) {
  if (form.getAttribute("aria-busy")) return;
  form.setAttribute("aria-busy", "true");
  try {
    const fresh = await formAfter(form, wanted);
    form.replaceWith(fresh);
    focusIn(fresh, wanted);
  } catch {
    form.removeAttribute("aria-busy");
    toast("The server could not be reached. Nothing was lost: try again.", true);
  }
}

// To where somebody goes on: the new row, what the trial found, or the list that a row left.
function focusIn(form, wanted) {
  const [verb, what] = wanted.split(":");
  const section = what === "condition" || what === "conditions" ? "conditions" : "actions";
  const rows = form.querySelectorAll(`[data-row="${section}"]`);
  const places = {
    try: form.querySelector("[data-tried], .step.wrong, .error:not([hidden])"),
    trigger: form.querySelector('[name="trigger"]'),
    add: rows[rows.length - 1]?.querySelector("select, input:not([type='hidden']), textarea"),
  };
  const place = places[verb] ?? form.querySelector(`[data-section="${section}"]`);
  place?.focus();
  place?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest('button[name="change"]');
  if (!button || !button.form?.matches("[data-editor]")) return;
  event.preventDefault();
  change(button.form, button.value);
});

document.addEventListener("change", (event) => {
  if (event.target.matches('[data-editor] [name="trigger"]')) change(editor(), "trigger");
});

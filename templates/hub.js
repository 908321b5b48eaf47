// The model page's widget: examples with their recorded texts, and POST /models/… whose tokens are shown as they come.
"use strict";

const form = document.querySelector("#widget");
const output = document.querySelector("#output");
const note = document.querySelector("#note");
const chips = [...document.querySelectorAll("[data-prompt]")];
const STATES = {
  loading: "Loading the model…",
  unloaded: "Loading the model…",
  busy: "Waiting: another request is being answered…",
  loaded: "Waiting for the first words…",
};
let running = null; // the AbortController of the request under way

function show(prompt, written, text) {
  const parts = [["prompt", prompt], ["continuation", written]].map(([kind, words]) => {
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = words;
    return span;
  });
  output.replaceChildren(...parts);
  say(text);
  note.scrollIntoView({ block: "nearest" });
  return parts[1];
}

function say(text, failed = false) {
  if (note.textContent !== text) note.textContent = text;
  note.classList.toggle("failed", failed);
  if (failed) note.scrollIntoView({ block: "nearest" });
}

function press(chip) {
  chips.forEach((other) => other.setAttribute("aria-pressed", String(other === chip)));
}

async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data:")) yield JSON.parse(line.slice(5));
  }
}

async function ask(inputs, parameters, signal) {
  const body = JSON.stringify({ inputs, parameters, stream: true });
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(form.dataset.url, { method: "POST", headers, body, signal }).catch((error) => {
    throw error.name === "AbortError" ? error : new Error("The local Hub does not answer. Is it still running?");
  });
  if (!response.ok) throw new Error((await response.json()).error);
  return response;
}

async function compute() {
  const fields = [...form.querySelectorAll("input")].filter((field) => field.value !== "");
  const parameters = Object.fromEntries(fields.map((field) => [field.name, Number(field.value)]));
  const prompt = form.elements.prompt.value;
  const controller = (running = new AbortController());
  const begun = performance.now();
  const written = show(prompt, "", "Asking the model…");
  const watch = setInterval(async () => {
    const reply = await fetch(form.dataset.url).then((response) => response.json(), () => ({}));
    if (running === controller && !written.textContent) say(STATES[reply.state] ?? note.textContent);
  }, 700);
  busy(true);
  try {
    const response = await ask(prompt, { ...parameters, details: true }, controller.signal);
    for await (const event of eventsOf(response)) {
      if (event.error) throw new Error(event.error);
      written.append(event.token.text);
      const seconds = ((performance.now() - begun) / 1000).toFixed(1);
      const done = event.details;
      say(done ? `Written now: ${done.generated_tokens} tokens in ${seconds} s, seed ${done.seed}.` : "Writing…");
    }
  } catch (error) {
    if (running === controller) say(error.name === "AbortError" ? "Stopped." : error.message, error.name !== "AbortError");
  } finally {
    clearInterval(watch);
    if (running === controller) running = null;
    busy(running !== null);
  }
}

function busy(is) {
  output.setAttribute("aria-busy", String(is));
  form.elements.compute.setAttribute("aria-disabled", String(is));
  form.elements.stop.hidden = !is;
}

for (const chip of chips) {
  chip.addEventListener("click", () => {
    running?.abort();
    running = null; // what it was writing is not to be shown any more
    press(chip);
    if (form) form.elements.prompt.value = chip.dataset.prompt;
    show(chip.dataset.prompt, chip.dataset.output, chip.dataset.output ? output.dataset.recorded : "");
  });
}

if (form) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!running) compute();
  });
  form.elements.prompt.addEventListener("input", () => press(null));
  form.elements.prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.elements.stop.addEventListener("click", () => {
    running?.abort();
    form.elements.compute.focus();
  });
}

function copying(button, code) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  });
}

for (const pre of document.querySelectorAll(".prose pre")) {
  pre.tabIndex = 0; // so that the keyboard can scroll it
  if (!navigator.clipboard) continue;
  const block = document.createElement("div");
  const button = document.createElement("button");
  block.className = "block";
  Object.assign(button, { type: "button", className: "button", textContent: "Copy" });
  pre.replaceWith(block);
  block.append(pre, button);
  copying(button, pre);
}

const copy = document.querySelector("#copy");
if (copy && navigator.clipboard) {
  copy.hidden = false;
  copying(copy, document.querySelector("#snippet"));
}

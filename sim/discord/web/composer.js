// The box at the bottom: commands, their options, live autocompletion.
import { el, send } from "./api.js";

const $ = (id) => document.getElementById(id);

// composer wires the box. here() says who types where; submit(text, values)
// sends.
export function composer({ here, submit }) {
  const input = $("text"), box = $("suggest"), list = $("options"), signature = $("signature"), complaint = $("complaint");
  let items = [], active = -1, picks = {}, turn = 0, timer = 0, taken = false;

  const complain = (text) => { complaint.textContent = text; complaint.hidden = !text; };

  function close() {
    turn++;
    clearTimeout(timer);
    items = [];
    box.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function mark(i) {
    active = i;
    [...list.children].forEach((li, n) => li.setAttribute("aria-selected", String(n === i)));
    const li = list.children[i];
    if (li) { li.scrollIntoView({ block: "nearest" }); input.setAttribute("aria-activedescendant", li.id); }
    else input.removeAttribute("aria-activedescendant");
  }

  function show(s, more, note) {
    items = more;
    list.replaceChildren(...items.map((it, n) => el("li", { id: "option-" + n, role: "option", onmousedown: (ev) => { ev.preventDefault(); pick(it); } },
      el("b", {}, it.label), it.detail && el("span", {}, it.detail))));
    if (note) list.append(el("li", { className: "still", role: "presentation" }, note));
    sign(s);
    box.hidden = !s.command && !list.children.length;
    input.setAttribute("aria-expanded", String(!box.hidden));
    const eager = items.length > 0 && items[0].kind !== "option";
    mark(eager ? 0 : -1);
  }

  function sign(s) {
    signature.hidden = !s.command;
    if (!s.command) return;
    const focused = s.params?.find((p) => p.name === s.focused);
    signature.replaceChildren(el("b", {}, "/" + s.command),
      ...(s.params ?? []).map((p) => el("span", { className: "param" + (p === focused ? " now" : p.given ? " given" : "") }, p.name + (p.required ? "" : "?"))),
      el("span", { className: "tell" }, focused ? focused.description : s.description));
  }

  function pick(it) {
    input.value = it.text;
    if (it.option) picks[it.option] = { label: it.label, value: it.value };
    items = []; // until the new ones are there, Enter sends
    mark(-1);
    input.focus();
    refresh();
  }

  async function refresh() {
    const mine = ++turn, text = input.value;
    clearTimeout(timer);
    complain("");
    if (!text.startsWith("/")) return close();
    let s;
    try { s = await send("/sim/suggest", { ...here(), text }); } catch { return close(); }
    if (mine !== turn) return;
    const chosen = picks[s.focused] !== undefined && picks[s.focused].label === s.value;
    if (!s.autocomplete || chosen) return show(s, s.items);
    show(s, s.items, "Looking…");
    timer = setTimeout(() => complete(mine, s, text), 140);
  }

  async function complete(mine, s, text) {
    let found = null;
    try { found = await send("/sim/autocomplete", { ...here(), text }); } catch { /* said below */ }
    if (mine !== turn) return;
    const choices = (found ?? []).map((c) => ({
      kind: "value", label: c.name, value: c.value, option: s.focused, text: s.before + c.name + " ",
    }));
    const note = choices.length ? "" : found ? "No suggestions" : "The bot sent no suggestions in time";
    show(s, [...choices, ...s.items], note);
  }

  // values are those picked whose text still stands.
  function values(text) {
    const out = {};
    for (const [option, p] of Object.entries(picks)) {
      if (text.includes(option + ":" + p.label)) out[option] = p.value;
    }
    return out;
  }

  async function go() {
    const text = input.value.trim();
    if (!text) return;
    close();
    try {
      await submit(text, values(text));
      if (input.value.trim() === text) input.value = "";
      picks = {};
      complain("");
    } catch (err) {
      complain(err.message);
    }
  }

  input.addEventListener("input", refresh);
  input.addEventListener("focus", () => { if (box.hidden && input.value.startsWith("/")) refresh(); });
  input.addEventListener("blur", () => setTimeout(() => { if (document.activeElement !== input) close(); }, 120));
  input.addEventListener("keydown", (ev) => {
    if (ev.isComposing) return;
    const n = items.length;
    if (ev.key === "ArrowDown" && n) { ev.preventDefault(); mark((active + 1) % n); }
    else if (ev.key === "ArrowUp" && n) { ev.preventDefault(); mark((active - 1 + n) % n); }
    else if (ev.key === "Escape") close();
    else if (ev.key === "Tab" && n && !ev.shiftKey) { ev.preventDefault(); pick(items[Math.max(active, 0)]); }
    else if (ev.key === "Enter" && n && active >= 0) { ev.preventDefault(); taken = true; pick(items[active]); }
  });
  // Some keyboards submit the form although the key was taken to pick.
  $("composer").addEventListener("submit", (ev) => { ev.preventDefault(); if (!taken) go(); });
  input.addEventListener("keyup", () => { taken = false; });

  return {
    fill(text) { input.value = text; picks = {}; input.focus(); refresh(); },
    reset() { input.value = ""; picks = {}; complain(""); close(); },
    placeholder(text) { input.placeholder = text; input.setAttribute("aria-label", text); },
  };
}

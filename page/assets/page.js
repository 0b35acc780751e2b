// Keeps the page current: takes each event's HTML, and changes only what is another, so that focus,
// selection and opened details stay. Without this the page is as it was when it was loaded.
"use strict";

const RETRY_MS = 5000;
const state = document.getElementById("live");
const main = document.getElementById("main");
let source = null;
let retry = 0;

function say(name, words) {
  if (state.dataset.state === name) return;
  state.dataset.state = name;
  state.textContent = words;
}

function isSame(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName &&
    (one.id || "") === (other.id || "");
}

function syncAttributes(node, wanted) {
  for (const { name } of [...node.attributes]) {
    // Whether details are open is the reader's choice from the first moment on.
    if (!wanted.hasAttribute(name) && !(name === "open" && node.nodeName === "DETAILS")) {
      node.removeAttribute(name);
    }
  }
  for (const { name, value } of wanted.attributes) {
    if (name === "open" && node.nodeName === "DETAILS") continue;
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
}

function morph(node, wanted) {
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (node.nodeValue !== wanted.nodeValue) node.nodeValue = wanted.nodeValue;
    return;
  }
  if (node.isEqualNode(wanted)) return;
  if (node !== main) syncAttributes(node, wanted);
  const named = new Map();
  for (const child of node.children) if (child.id) named.set(child.id, child);
  let at = node.firstChild;
  for (const want of [...wanted.childNodes]) {
    let found = want.id ? named.get(want.id) : at;
    if (found && !isSame(found, want)) found = null;
    if (!found) {
      node.insertBefore(want, at);
    } else {
      if (found === at) at = at.nextSibling;
      else node.insertBefore(found, at);
      morph(found, want);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function show(event) {
  const focused = document.activeElement;
  morph(main, new DOMParser().parseFromString(event.data, "text/html").body);
  // What is moved loses it.
  if (focused !== document.activeElement && focused.isConnected) {
    focused.focus({ preventScroll: true });
  }
  say("live", "live");
}

function open() {
  clearTimeout(retry);
  if (source) source.close();
  source = new EventSource("live");
  source.addEventListener("page", show);
  source.addEventListener("error", () => {
    say("lost", "connection lost: this may be out of date");
    // A refusal ends it for good, a lost connection does not.
    if (source.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS);
  });
}

// Nothing is asked for, nor rendered, for a page that nobody sees.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(retry);
    if (source) source.close();
    say("paused", "paused");
  } else {
    open();
  }
});
if (!document.hidden) open();

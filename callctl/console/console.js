// Refreshes the live calls each second. Cells are filled as text, never as HTML: a caller id is
// hostile text. When the number of calls changes, an ended one may have a CDR: load the page anew.
"use strict";

const body = document.getElementById("calls");
const count = document.getElementById("count");
const state = document.getElementById("state");
let known = null;

function row(call) {
  const line = document.createElement("tr");
  const texts = [call.stage, call.did, call.caller || "unknown", call.area, call.line || "",
    call.tenant, String(call.seconds), call.cost];
  texts.forEach((text, index) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    if (index >= 6) cell.className = "number";
    line.append(cell);
  });
  return line;
}

async function refresh() {
  try {
    const answer = await fetch("/v1/calls", { signal: AbortSignal.timeout(3000) });
    if (!answer.ok) throw new Error(`the API answered ${answer.status}`);
    const calls = await answer.json();
    const ids = new Set(calls.map((call) => call.call_id));
    if (known !== null && [...known].some((id) => !ids.has(id))) location.reload();
    known = ids;
    body.replaceChildren(...calls.map(row));
    count.textContent = calls.length;
    state.textContent = "";
  } catch (error) {
    state.textContent = `not up to date: ${error.message}`;
  }
  setTimeout(refresh, 1000);
}

refresh();

"use strict";
// Shows what every lane had on screen at the time of the audio, which is the only clock there is. All texts are in the
// page; here they are only shown and hidden.
const SPAN_S = 20, AHEAD_S = 2, STEP_S = 5;
const SLACK_S = 0.001; // a browser that is sent to a time may be a little before it
const find = (what, within = document) => within.querySelector(what);
const all = (what, within = document) => [...within.querySelectorAll(what)];
const audio = find("audio"), slider = find("#position"), playhead = find(".playhead"), time = find("#time");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const length_s = Number(slider.getAttribute("aria-valuemax"));
const lanes = all(".lane").map((section) => {
  const calls = JSON.parse(section.dataset.calls);
  const part = (name) => find(name, section);
  return {
    section, calls, said: all(".said", section), interim: all(".interim", section), shown: 0,
    arrivals: calls.map((call) => call[2]), ends: calls.map((call) => call[4]),
    live: part(".live"), box: part(".captions"), status: part(".status"), film: part(".film"),
    now: part(".now"), window: part(".window"),
  };
});
let followed = lanes.find((lane) => lane.live);

function reached(times, at_s) { // how many of these times, which rise, have come
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= at_s + SLACK_S) low = middle + 1; else high = middle;
  }
  return low;
}

function showCaptions(lane, at_s) {
  const count = reached(lane.ends, at_s), before = lane.shown;
  if (count === before) return;
  lane.said.slice(Math.min(before, count), Math.max(before, count)).forEach((words) => { words.hidden = count < before; });
  if (lane.interim[before - 1]) lane.interim[before - 1].hidden = true;
  if (lane.interim[count - 1]) lane.interim[count - 1].hidden = false;
  lane.shown = count;
  scroll(lane);
}

function scroll(lane) {
  if (lane.box) lane.box.scrollTop = lane.box.scrollHeight;
}

function showCalls(lane, at_s) {
  // Where motion is unwelcome the strip stands, and turns over like a page.
  const page_s = SPAN_S - AHEAD_S;
  const from_s = still.matches ? Math.floor(at_s / page_s) * page_s : at_s - page_s;
  // Layers are moved, and nothing is painted again: captions have to be on time on a slow machine too.
  lane.film.style.transform = `translateX(${(-100 * from_s) / length_s}%)`;
  lane.now.style.transform = `translateX(${(100 * (at_s - from_s)) / SPAN_S}%)`;
  if (!lane.window) return;
  const [start, end, , begin, finish] = lane.calls[reached(lane.arrivals, at_s) - 1] || [0, 0, 0, 0, 0];
  if (lane.window.getAttribute("x") !== String(start) || lane.window.getAttribute("width") !== String(end - start)) {
    lane.window.setAttribute("x", start);
    lane.window.setAttribute("width", end - start);
  }
  const last = lane.calls[lane.shown - 1];
  const waits = lane.arrivals.length && reached(lane.arrivals, at_s) - lane.shown;
  const doing = !end ? "listening" : waits > 1 ? `${waits} calls behind` : at_s < begin ? "waiting"
    : at_s < finish ? "working" : "idle";
  const ahead_s = Math.min(at_s, lane.calls.at(-1)[1]) - (last ? last[1] : 0);
  const text = `${doing}; ${ahead_s.toFixed(1)} s of audio to be heard. `;
  if (lane.status.textContent !== text) lane.status.textContent = text;
}

function draw() {
  const at_s = audio.currentTime;
  for (const lane of lanes) { // words first: they have a deadline
    showCaptions(lane, at_s);
  }
  for (const lane of lanes) showCalls(lane, at_s);
  playhead.style.transform = `translateX(${(100 * at_s) / length_s}%)`;
  const text = clock(at_s, 1);
  if (time.textContent !== text) time.textContent = text;
}

const clock = (at_s, digits) =>
  `${Math.floor(at_s / 60)}:${(at_s % 60).toFixed(digits).padStart(digits ? 4 : 2, "0")}`;

function tell() { // to a screen reader; while the audio plays it is not interrupted
  slider.setAttribute("aria-valuenow", audio.currentTime.toFixed(2));
  slider.setAttribute("aria-valuetext", `${clock(Math.floor(audio.currentTime), 0)} of ${clock(Math.floor(length_s), 0)}`);
  find("#play").textContent = audio.paused ? "Play" : "Pause";
  for (const lane of lanes) {
    if (lane.live) lane.live.setAttribute("aria-live", lane === followed && !audio.paused ? "polite" : "off");
    lane.section.classList.toggle("followed", lane === followed);
  }
}

function run() {
  draw();
  if (!audio.paused) requestAnimationFrame(run);
}

function seek(to_s) {
  for (const lane of lanes) if (lane.live) lane.live.setAttribute("aria-live", "off"); // all those words at once
  audio.currentTime = Math.min(Math.max(to_s, 0), length_s);
  draw();
}

function seekCaption(direction) {
  const times = followed.ends.filter((_, number) => followed.said[number].textContent.trim());
  const passed = reached(times, audio.currentTime);
  seek(direction > 0 ? times[passed] ?? length_s : times[passed - 2] ?? 0);
}

function play() {
  if (audio.paused) audio.play(); else audio.pause();
}

function change(name, by) {
  const inputs = all(`input[name=${name}]`);
  const wanted = typeof by === "string" ? inputs.find((input) => input.value === by)
    : inputs[inputs.findIndex((input) => input.checked) + by];
  if (wanted) wanted.click();
}

const keys = {
  " ": play,
  ArrowLeft: (event) => event.shiftKey ? seekCaption(-1) : seek(audio.currentTime - STEP_S),
  ArrowRight: (event) => event.shiftKey ? seekCaption(1) : seek(audio.currentTime + STEP_S),
  ArrowUp: () => change("speed", 1),
  ArrowDown: () => change("speed", -1),
  Home: () => seek(0),
  End: () => seek(length_s),
};
for (const number of "1234") keys[number] = () => change("follow", number);

document.addEventListener("keydown", (event) => {
  // A button, a choice and a box that scrolls have keys of their own.
  const taken = event.key === " " ? event.target.closest("button, input, summary")
    : event.key.startsWith("Arrow") && event.target.closest("[type=radio]") ||
      /^(ArrowUp|ArrowDown|Home|End)$/.test(event.key) && event.target.closest(".captions");
  const does = keys[event.key];
  if (taken || !does || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  does(event);
});
function drag(event) {
  const box = slider.getBoundingClientRect();
  seek(((event.clientX - box.left) / box.width) * length_s);
}
slider.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  slider.setPointerCapture(event.pointerId);
  drag(event);
});
slider.addEventListener("pointermove", (event) => slider.hasPointerCapture(event.pointerId) && drag(event));
find("#play").addEventListener("click", play);
find("#back").addEventListener("click", () => seek(audio.currentTime - STEP_S));
find("#on").addEventListener("click", () => seek(audio.currentTime + STEP_S));
find("#next").addEventListener("click", () => seekCaption(1));
find("#errors")?.addEventListener("change", (event) => {
  document.body.classList.toggle("marked", event.target.checked);
  lanes.forEach(scroll);
});
all("input[name=speed]").forEach((input) => input.addEventListener("change", () => {
  audio.playbackRate = Number(input.value);
}));
all("input[name=follow]").forEach((input) => input.addEventListener("change", () => {
  followed = lanes.find((lane) => lane.section.contains(input));
  tell();
}));
for (const event of ["play", "pause", "ended", "seeked"]) audio.addEventListener(event, tell);
audio.addEventListener("play", run);
for (const event of ["seeked", "timeupdate"]) audio.addEventListener(event, draw); // a hidden page has no frames
still.addEventListener("change", draw);
audio.controls = false;
find(".controls").hidden = false;
document.body.classList.add("moving");
for (const lane of lanes) for (const words of lane.said) words.hidden = true;
draw();
tell();

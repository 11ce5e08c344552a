// Draws the last minute: a lane for rates, with each switch of the rendition, and one for seconds (buffer, latency).
//
// A lane has its scale at the right, rounded so that it does not jump about, and the newest sample at the right edge. Rates differ by powers
// of ten, a local server brings a thousand times what a rendition needs, so their scale is logarithmic.

/** Seconds that are drawn at most, and at least. */
export const SPAN = 60;
const LEAST = 15;

const ROUND = [1, 2, 5];

/** The least round number that is not below `value`. */
export function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = ROUND.find(step => step * power >= value);
  return step ? step * power : 10 * power;
}

/**
 * Draws lanes into `canvas`. A sample has a `time` in milliseconds; a lane is `{ least, log, format, lines, marks }`, a line
 * `{ name, of, color, fill, step }`, a mark `{ time, text }`.
 */
export function draw(canvas, samples, lanes, now, colors) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = '10.5px system-ui, sans-serif';
  const gap = 16;
  const first = samples.length ? samples[0].time : now;
  const span = Math.min(SPAN, Math.max(LEAST, (now - first) / 1000));
  const tall = (height - gap * lanes.length) / lanes.length;
  lanes.forEach((lane, index) => drawLane(pen, samples, lane, { left: 0, top: gap + index * (tall + gap), width: width - 2, height: tall }, now, span, colors));
}

function drawLane(pen, samples, lane, box, now, span, colors) {
  const highest = Math.max(0, ...samples.flatMap(sample => lane.lines.map(line => line.of(sample) || 0)));
  const top = lane.log ? 10 ** Math.ceil(Math.log10(Math.max(highest, 10 * lane.least))) : ceiling(Math.max(highest * 1.05, lane.least));
  const x = time => box.left + box.width * (1 - (now - time) / (span * 1000));
  const part = value => (lane.log ? Math.log10(value / lane.least) / Math.log10(top / lane.least) : value / top);
  const y = value => box.top + box.height * (1 - Math.min(1, Math.max(0, part(value))));
  const steps = lane.log ? Array.from({ length: Math.round(Math.log10(top / lane.least)) + 1 }, (_, power) => lane.least * 10 ** power) : [0, top / 2, top];
  pen.lineWidth = 1;
  pen.strokeStyle = colors.grid;
  for (const step of steps) {
    const at = Math.round(y(step)) + 0.5;
    pen.beginPath();
    pen.moveTo(box.left, at);
    pen.lineTo(box.left + box.width, at);
    pen.stroke();
  }
  pen.save();
  pen.beginPath();
  pen.rect(box.left, box.top - 2, box.width + 2, box.height + 3);
  pen.clip();
  for (const line of lane.lines) drawLine(pen, samples, line, x, y, box);
  pen.restore();
  drawMarks(pen, lane.marks ?? [], x, box, colors);
  pen.textBaseline = 'alphabetic';
  pen.textAlign = 'right';
  pen.fillStyle = colors.soft;
  pen.fillText(lane.format(top), box.left + box.width, box.top - 4);
  pen.textAlign = 'left';
  let left = box.left;
  for (const line of lane.lines) {
    const last = samples.length ? line.of(samples[samples.length - 1]) : NaN;
    const text = `${line.name} ${lane.format(last)}`;
    pen.fillStyle = line.color;
    pen.fillRect(left, box.top - 11, 8, 8);
    pen.fillStyle = colors.ink;
    pen.fillText(text, left + 12, box.top - 4);
    left += 12 + pen.measureText(text).width + 14;
  }
}

function drawLine(pen, samples, { of, color, fill, step }, x, y, box) {
  // Samples without a value part the line into runs.
  const runs = [[]];
  for (const sample of samples) {
    const value = of(sample);
    if (Number.isFinite(value)) runs[runs.length - 1].push([x(sample.time), y(value)]);
    else if (runs[runs.length - 1].length) runs.push([]);
  }
  for (const run of runs.filter(run => run.length)) {
    pen.beginPath();
    run.forEach(([across, up], at) => {
      if (at === 0) pen.moveTo(across, up);
      else {
        if (step) pen.lineTo(across, run[at - 1][1]);
        pen.lineTo(across, up);
      }
    });
    pen.strokeStyle = color;
    pen.lineWidth = 1.75;
    pen.lineJoin = 'round';
    pen.stroke();
    if (!fill) continue;
    pen.lineTo(run[run.length - 1][0], box.top + box.height);
    pen.lineTo(run[0][0], box.top + box.height);
    pen.closePath();
    pen.globalAlpha = 0.18;
    pen.fillStyle = color;
    pen.fill();
    pen.globalAlpha = 1;
  }
}

/** A line down with its text, which is left out where it would cover that of a later one. */
function drawMarks(pen, marks, x, box, colors) {
  let free = Infinity;
  for (const mark of [...marks].reverse()) {
    const at = Math.round(x(mark.time)) + 0.5;
    if (at < box.left) continue;
    pen.setLineDash([3, 3]);
    pen.strokeStyle = colors.mark;
    pen.beginPath();
    pen.moveTo(at, box.top);
    pen.lineTo(at, box.top + box.height);
    pen.stroke();
    pen.setLineDash([]);
    const wide = pen.measureText(mark.text).width + 8;
    const left = Math.min(at + 2, box.left + box.width - wide);
    if (left + wide > free) continue;
    pen.fillStyle = colors.mark;
    pen.beginPath();
    pen.roundRect(left, box.top + 2, wide, 15, 4);
    pen.fill();
    pen.fillStyle = colors.onMark;
    pen.textAlign = 'left';
    pen.textBaseline = 'middle';
    pen.fillText(mark.text, left + 4, box.top + 10);
    free = left - 2;
  }
}

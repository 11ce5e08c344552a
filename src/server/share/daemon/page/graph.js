// Two pictures: the rates of the last five minutes, and the map of a torrent's pieces.

const SAMPLES = 300;
const CELLS = 3000;

/** A context whose unit is a CSS pixel, and whose lines are as fine as the screen can. Null while nothing is seen. */
function pen(canvas, height = canvas.clientHeight) {
  const [width, scale] = [canvas.clientWidth, devicePixelRatio || 1];
  if (!width || !height) return null;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext('2d');
  context.scale(scale, scale);
  return { context, width, height };
}

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** The next rate above that is round in its unit: 1, 2, 5, 10, 20, 50, 100, 200 or 500 of it. */
function roundRate(most) {
  let unit = 1024;
  while (most > 500 * unit) unit *= 1024;
  return [1, 2, 5, 10, 20, 50, 100, 200, 500].find(step => step * unit >= most) * unit;
}

function showGraph(rates) {
  const canvas = byId('graph').querySelector('canvas');
  const drawing = pen(canvas);
  if (!drawing) return;
  const top = roundRate(Math.max(1, ...rates.down, ...rates.up));
  const area = { left: 74, right: drawing.width - 10, top: 8, bottom: drawing.height - 20 };
  drawAxes(drawing.context, area, top, rates.interval);
  drawLine(drawing.context, area, rates.down, top, 'accent', true);
  drawLine(drawing.context, area, rates.up, top, 'up', false);
  mark(canvas, 'aria-label', `Rates of the last five minutes: ${heard('down', rates.down)}; ${heard('up', rates.up)}`);
}

const heard = (way, samples) => `${way} now ${rate(samples.at(-1) ?? 0)}, at most ${rate(Math.max(0, ...samples))}`;

function drawAxes(context, area, top, interval) {
  Object.assign(context, { font: `12px ${getComputedStyle(document.body).fontFamily}`, lineWidth: 1, strokeStyle: colour('line'), fillStyle: colour('soft') });
  const minutes = Math.round(SAMPLES * interval / 60);
  [0, 0.5, 1].forEach(share => {
    const y = Math.round(area.bottom - share * (area.bottom - area.top)) + 0.5;
    context.beginPath();
    context.moveTo(area.left, y);
    context.lineTo(area.right, y);
    context.stroke();
    Object.assign(context, { textAlign: 'right', textBaseline: 'middle' });
    context.fillText(share ? `${roundBytes(top * share)}/s` : '0', area.left - 8, y);
  });
  Object.assign(context, { textAlign: 'center', textBaseline: 'top' });
  for (let ago = 1; ago < minutes; ago += 1) {
    context.fillText(`${ago} min`, area.right - ago / minutes * (area.right - area.left), area.bottom + 6);
  }
  Object.assign(context, { textAlign: 'right' });
  context.fillText('now', area.right, area.bottom + 6);
}

/** The newest sample is at the right; where the daemon is younger than the graph, the left is empty. */
function drawLine(context, area, samples, top, ink, filled) {
  if (samples.length < 2) return;
  const x = at => area.right - (samples.length - 1 - at) / (SAMPLES - 1) * (area.right - area.left);
  const y = value => area.bottom - value / top * (area.bottom - area.top);
  const path = new Path2D();
  samples.forEach((value, at) => path.lineTo(x(at), y(value)));
  Object.assign(context, { strokeStyle: colour(ink), fillStyle: colour(ink), lineWidth: 1.6, lineJoin: 'round' });
  context.stroke(path);
  if (!filled) return;
  path.lineTo(x(samples.length - 1), area.bottom);
  path.lineTo(x(0), area.bottom);
  context.globalAlpha = 0.12;
  context.fill(path);
  context.globalAlpha = 1;
}

/** The pieces as a picture. Where there are more than fit, one cell stands for some that follow each other. */
function makeMap() {
  const canvas = h('canvas', { role: 'img', 'aria-label': 'Pieces' });
  const text = h('p');
  const key = (kind, label) => h('span', { class: `key ${kind}` }, label);
  const node = h('figure', { class: 'map' }, h('h3', {}, 'Pieces'), canvas, h('figcaption', {}, text, h('div', { class: 'keys-line' },
    key('have', 'Here'), key('part', 'Partly here'), key('some', 'With peers, stronger with more'), key('none', 'Nobody has it'))));
  const fill = ({ have, pieces, availability }) => {
    const bits = Uint8Array.from(atob(have), letter => letter.charCodeAt(0));
    const here = piece => Boolean(bits[piece >> 3] >> (7 - (piece & 7)) & 1);
    say(text, mapInWords(pieces, availability.filter((_, piece) => !here(piece))));
    mark(canvas, 'aria-label', text.said);
    drawMap(canvas, pieces, here, availability);
  };
  return { node, fill };
}

function mapInWords(pieces, missing) {
  if (!missing.length) return `All ${count(pieces, 'piece')} are here.`;
  const rarest = missing.reduce((least, peers) => Math.min(least, peers), Infinity);
  const others = rarest ? `the rarest other is with ${count(rarest, 'peer')}` : `nobody has ${count(missing.filter(peers => !peers).length, 'other')}`;
  return `${(pieces - missing.length).toLocaleString('en')} of ${count(pieces, 'piece')} here; ${others}.`;
}

/** The cells are squares, large where they are few. */
function drawMap(canvas, pieces, here, availability) {
  const group = Math.ceil(pieces / CELLS);
  const cells = Math.ceil(pieces / group);
  const side = Math.max(5, Math.min(14, Math.floor(Math.sqrt(canvas.clientWidth * 170 / cells))));
  const across = Math.max(1, Math.floor(canvas.clientWidth / side));
  const height = Math.ceil(cells / across) * side;
  canvas.style.height = `${height}px`;
  const drawing = pen(canvas, height);
  if (!drawing) return;
  const inks = { here: colour('accent'), none: colour('bad'), some: colour('edge'), ground: colour('press') };
  const most = availability.reduce((a, b) => Math.max(a, b), 1);
  for (let cell = 0; cell < cells; cell += 1) {
    const sum = { here: 0, missing: 0, rarest: Infinity };
    for (let piece = cell * group; piece < Math.min(pieces, (cell + 1) * group); piece += 1) {
      if (here(piece)) sum.here += 1;
      else [sum.missing, sum.rarest] = [sum.missing + 1, Math.min(sum.rarest, availability[piece] ?? 0)];
    }
    drawCell(drawing.context, cell % across * side, Math.floor(cell / across) * side, side - 1, sum, most, inks);
  }
}

/** What is missing fills the cell, stronger where more peers have it; what is here covers it from below. */
function drawCell(context, x, y, size, { here, missing, rarest }, most, inks) {
  context.fillStyle = inks.ground;
  context.fillRect(x, y, size, size);
  if (missing) {
    context.fillStyle = rarest ? inks.some : inks.none;
    context.globalAlpha = rarest ? 0.15 + 0.65 * rarest / most : 1;
    context.fillRect(x, y, size, size);
    context.globalAlpha = 1;
  }
  const high = size * here / (here + missing);
  context.fillStyle = inks.here;
  context.fillRect(x, y + size - high, size, high);
}

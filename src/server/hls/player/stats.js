// The statistics over the picture: rows of what is true now, and the last minute as a drawing. Samples are taken all the time, so that
// whoever opens it sees what has led here.

import { at, h, iconButton } from './dom.js';
import { SPAN, draw } from './chart.js';
import { quality, rate, seconds } from './format.js';

/** Milliseconds between samples. */
const STEP = 250;

export class Stats {
  constructor(engine, video, closed) {
    this.engine = engine;
    this.video = video;
    this.samples = [];
    this.marks = [];
    this.node = at('stats');
    this.canvas = h('canvas', { role: 'img', 'aria-label': 'Bandwidth, rendition and buffer over the last minute' });
    this.rows = h('dl');
    this.node.append(h('div', { class: 'stats-head' }, h('h2', {}, 'Statistics'), iconButton('close', 'Close statistics (s)', closed)), this.rows, this.canvas);
    engine.addEventListener('level', () => this.#switched());
    setInterval(() => this.#tick(), STEP);
  }

  get isOpen() {
    return !this.node.hidden;
  }

  set isOpen(open) {
    this.node.hidden = !open;
    if (open) this.#show();
  }

  /** Another stream begins. */
  clear() {
    this.samples = [];
    this.marks = [];
  }

  #switched() {
    const level = this.engine.level;
    if (level && (level.height || level.bitrate)) this.marks.push({ time: Date.now(), text: quality(level) });
  }

  #tick() {
    const { engine } = this;
    if (!engine.url) return;
    const now = Date.now();
    const latency = engine.latency;
    this.samples.push({ time: now, buffer: engine.buffered, bandwidth: engine.bandwidth, level: engine.level?.bitrate ?? NaN, latency: latency ? latency.seconds : NaN });
    const old = sample => sample.time < now - (SPAN + 2) * 1000;
    while (this.samples.length && old(this.samples[0])) this.samples.shift();
    while (this.marks.length && old(this.marks[0])) this.marks.shift();
    if (this.isOpen && !document.hidden) this.#show();
  }

  #facts() {
    const { engine, video } = this;
    const level = engine.level;
    const played = video.getVideoPlaybackQuality?.();
    const { target, part, name } = engine.details;
    const latency = engine.latency;
    return [
      ['Picture', video.videoWidth ? `${video.videoWidth}×${video.videoHeight}${level?.frameRate ? `, ${Number(level.frameRate.toFixed(2))} fps` : ''}` : 'none'],
      ['Rendition', level ? [quality(level), Number.isFinite(level.bitrate) ? rate(level.bitrate) : ''].filter(Boolean).join(', ') : '–'],
      ['Codecs', level?.codecs || '–'],
      ['Bandwidth', rate(engine.bandwidth)],
      ['Buffer', seconds(engine.buffered)],
      ['Latency', latency ? `${seconds(latency.seconds, 2)}${latency.dated ? '' : ' behind the playlist\u2019s end'}` : 'not live'],
      ['Frames', played ? `${played.totalVideoFrames}, ${played.droppedVideoFrames} dropped` : '–'],
      ['Switches', String(Math.max(0, engine.switches - 1))],
      ['Segments', target ? `${target} s${part ? `, parts ${part} s` : ''}` : '–'],
      ['Played by', name],
    ];
  }

  #show() {
    this.rows.replaceChildren(...this.#facts().map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
    const style = getComputedStyle(this.node);
    const color = name => style.getPropertyValue(name).trim();
    const colors = { grid: color('--chart-grid'), soft: color('--chart-soft'), ink: color('--chart-ink'), mark: color('--chart-mark'), onMark: color('--chart-on-mark') };
    const times = [{ name: 'Buffer', of: sample => sample.buffer, color: color('--chart-buffer'), fill: true }];
    if (this.engine.live) times.push({ name: 'Latency', of: sample => sample.latency, color: color('--chart-latency') });
    const lanes = [
      {
        least: 1e5, log: true, format: rate, marks: this.marks,
        lines: [
          { name: 'Rendition', of: sample => sample.level, color: color('--chart-level'), fill: true, step: true },
          { name: 'Bandwidth', of: sample => sample.bandwidth, color: color('--chart-bandwidth') },
        ],
      },
      { least: 4, format: value => seconds(value), lines: times },
    ];
    draw(this.canvas, this.samples, lanes, Date.now(), colors);
  }
}

// The bar below the picture: play, position, sound, menus, live edge, full screen. What it shows is drawn from the video and the engine; what it
// does is told to them and to nobody else.

import { at, becomes, h, iconButton, say } from './dom.js';
import { clock, quality, rate, seconds, spoken } from './format.js';
import { Menu } from './menu.js';

/** Milliseconds until the bar leaves a picture that moves. */
const IDLE = 2800;

/** Seconds that an arrow goes. */
const STEP = 5;

/** Seconds behind the live edge that still count as live. */
const LIVE = 3;

const VOLUME = 'wireworks-hls-volume';

export class Controls {
  constructor(engine, video, stats) {
    Object.assign(this, { engine, video, stats, stage: at('stage') });
    this.play = iconButton('play', 'Play (space)', () => this.toggle());
    this.time = h('span', { class: 'time' });
    this.edge = h('button', { type: 'button', class: 'live', onclick: () => this.toEdge(), hidden: true });
    this.mute = iconButton('loud', 'Mute (m)', () => this.toggleSound());
    this.volume = h('input', { type: 'range', class: 'volume', min: '0', max: '1', step: '0.05', 'aria-label': 'Volume', oninput: () => this.setVolume(Number(this.volume.value)) });
    this.seek = h('input', { type: 'range', class: 'seek', min: '0', max: '1', step: 'any', value: '0', 'aria-label': 'Position', oninput: () => this.#sought() });
    this.hover = h('output', { class: 'hover', hidden: true });
    this.quality = new Menu('quality', 'Quality', () => this.#qualities(), value => engine.choose(value));
    this.audio = new Menu('audio', 'Sound track', () => engine.audioTracks.map(({ index, name }) => ({ value: index, name, checked: index === engine.audioTrack })), value => { engine.audioTrack = value; });
    this.captions = new Menu('captions', 'Subtitles (c)', () => this.#subtitles(), value => { engine.subtitle = value; });
    this.statistics = iconButton('stats', 'Statistics (s)', () => this.toggleStats(), { 'aria-pressed': 'false' });
    this.full = iconButton('full', 'Full screen (f)', () => this.toggleFull());
    const space = h('span', { class: 'space' });
    at('bar').append(
      h('div', { class: 'track' }, this.seek, this.hover),
      h('div', { class: 'tools' }, this.play, this.mute, this.volume, this.time, this.edge, space, this.captions.node, this.audio.node, this.quality.node, this.statistics, this.full),
    );
    at('big').addEventListener('click', () => this.toggle());
    this.#listen();
    this.#remembered();
    this.draw();
  }

  #listen() {
    const { video, engine, stage } = this;
    for (const name of ['play', 'pause', 'ended', 'timeupdate', 'durationchange', 'progress', 'volumechange', 'seeking', 'seeked', 'loadedmetadata', 'emptied']) video.addEventListener(name, () => this.draw());
    for (const name of ['waiting', 'seeking', 'loadstart']) video.addEventListener(name, () => this.#busy(true));
    for (const name of ['playing', 'seeked', 'canplay', 'pause', 'emptied', 'error']) video.addEventListener(name, () => this.#busy(false));
    engine.addEventListener('tracks', () => this.menus());
    engine.addEventListener('level', () => this.menus());
    video.textTracks.addEventListener('change', () => this.menus());
    video.addEventListener('click', () => this.#clicked());
    video.addEventListener('dblclick', () => this.toggleFull());
    document.addEventListener('fullscreenchange', () => this.draw());
    stage.addEventListener('pointermove', () => this.awake());
    stage.addEventListener('focusin', () => this.awake());
    stage.addEventListener('pointerleave', () => this.#sleep());
    this.seek.addEventListener('pointermove', event => this.#hovered(event));
    this.seek.addEventListener('pointerleave', () => { this.hover.hidden = true; });
    setInterval(() => this.draw(), 500);
  }

  /** A mouse plays and pauses; a finger first asks for the bar. */
  #clicked() {
    if (matchMedia('(hover: none)').matches && this.stage.classList.contains('idle')) this.awake();
    else this.toggle();
  }

  #busy(busy) {
    at('spinner').hidden = !(busy && this.engine.url && !this.video.paused);
  }

  // -- What it does -----------------------------------------------------------------------------------------------------------------

  async toggle() {
    const { video } = this;
    if (video.paused || video.ended) await this.start();
    else video.pause();
    this.awake();
  }

  /** Plays; without sound where the browser insists on it. Whether it plays. */
  async start() {
    const { video } = this;
    try {
      await video.play();
    } catch (error) {
      if (error.name !== 'NotAllowedError' || video.muted) return false;
      video.muted = true;
      this.muted = true;
      try {
        await video.play();
      } catch {
        return false;
      }
    }
    return true;
  }

  by(step) {
    const { start, end } = this.engine.range;
    this.video.currentTime = Math.min(Math.max(this.video.currentTime + step, start), end);
    this.flash(step > 0 ? `+${step} s` : `−${-step} s`);
    this.awake();
  }

  toEdge() {
    this.video.currentTime = this.engine.edge;
    this.start();
  }

  setVolume(volume) {
    const { video } = this;
    video.volume = Math.min(1, Math.max(0, Math.round(volume * 20) / 20));
    video.muted = video.volume === 0;
    this.flash(`Volume ${Math.round(video.volume * 100)} %`);
    this.awake();
  }

  toggleSound() {
    const { video } = this;
    video.muted = !video.muted;
    if (!video.muted && video.volume === 0) video.volume = 0.5;
    this.flash(video.muted ? 'Muted' : 'Sound on');
  }

  toggleStats() {
    this.stats.isOpen = !this.stats.isOpen;
    this.statistics.setAttribute('aria-pressed', String(this.stats.isOpen));
  }

  toggleFull() {
    const { stage, video } = this;
    if (document.fullscreenElement) document.exitFullscreen();
    else if (stage.requestFullscreen) stage.requestFullscreen().catch(() => this.flash('Full screen is not allowed here'));
    else video.webkitEnterFullscreen?.();
  }

  toggleSubtitles() {
    const { engine } = this;
    if (!engine.subtitles.length) return this.flash('No subtitles');
    if (engine.subtitle >= 0) this.former = engine.subtitle;
    engine.subtitle = engine.subtitle >= 0 ? -1 : (this.former ?? 0);
    this.flash(engine.subtitle >= 0 ? `Subtitles: ${engine.subtitles[engine.subtitle].name}` : 'Subtitles off');
    return this.menus();
  }

  /** A key that nobody else wanted. Whether it was one of ours. */
  key(event) {
    const { video, engine } = this;
    const far = event.shiftKey ? 6 * STEP : STEP;
    const keys = {
      ' ': () => this.toggle(), k: () => this.toggle(),
      ArrowLeft: () => this.by(-far), ArrowRight: () => this.by(far), j: () => this.by(-2 * STEP), l: () => this.by(2 * STEP),
      ArrowUp: () => this.setVolume(video.volume + 0.1), ArrowDown: () => this.setVolume(video.volume - 0.1),
      Home: () => { video.currentTime = engine.range.start; }, End: () => { if (engine.live) this.toEdge(); else video.currentTime = engine.range.end; },
      f: () => this.toggleFull(), m: () => this.toggleSound(), s: () => this.toggleStats(), c: () => this.toggleSubtitles(),
    };
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    act?.();
    return Boolean(act);
  }

  #sought() {
    const { start, end } = this.engine.range;
    this.video.currentTime = start + Number(this.seek.value) * (end - start);
  }

  // -- What it shows ----------------------------------------------------------------------------------------------------------------

  /** Shows the bar, for a while. */
  awake() {
    this.stage.classList.remove('idle');
    clearTimeout(this.sleeping);
    this.sleeping = setTimeout(() => this.#sleep(), IDLE);
  }

  #sleep() {
    const used = [this.quality, this.audio, this.captions].some(menu => menu.isOpen) || at('bar').matches(':focus-within:has(:focus-visible)');
    if (!this.video.paused && !used) this.stage.classList.add('idle');
  }

  /** A word over the picture. */
  flash(text) {
    const node = at('flash');
    node.textContent = text;
    node.classList.add('shown');
    clearTimeout(this.flashing);
    this.flashing = setTimeout(() => node.classList.remove('shown'), 900);
    say(text);
  }

  draw() {
    const { video, engine } = this;
    const [stopped, live] = [video.paused || video.ended, engine.live];
    becomes(this.play, video.ended ? 'replay' : stopped ? 'play' : 'pause', video.ended ? 'Play again (space)' : stopped ? 'Play (space)' : 'Pause (space)');
    const silent = video.muted || video.volume === 0;
    becomes(this.mute, silent ? 'mute' : 'loud', silent ? 'Sound on (m)' : 'Mute (m)');
    this.volume.value = silent ? 0 : video.volume;
    this.volume.style.setProperty('--part', `${silent ? 0 : video.volume * 100}%`);
    becomes(this.full, document.fullscreenElement ? 'window' : 'full', document.fullscreenElement ? 'Leave full screen (f)' : 'Full screen (f)');
    this.stage.classList.toggle('paused', stopped);
    at('big').hidden = !stopped || !engine.url || !at('notice').hidden;
    becomes(at('big'), video.ended ? 'replay' : 'play', video.ended ? 'Play again' : 'Play');
    this.#position(live);
    this.#live(live);
    if (stopped) this.stage.classList.remove('idle');
    this.#remember();
  }

  #position(live) {
    const { video, engine, seek } = this;
    const { start, end } = engine.range;
    const span = end - start;
    const part = span > 0 ? Math.min(1, Math.max(0, (video.currentTime - start) / span)) : 0;
    const ahead = span > 0 ? Math.min(1, (video.currentTime + engine.buffered - start) / span) : 0;
    seek.disabled = span <= 0;
    if (!seek.matches(':active')) seek.value = part;
    seek.style.setProperty('--part', `${part * 100}%`);
    seek.style.setProperty('--ahead', `${Math.max(part, ahead) * 100}%`);
    const behind = end - video.currentTime;
    seek.setAttribute('aria-valuetext', live ? `${spoken(behind)} behind the end` : `${spoken(video.currentTime - start)} of ${spoken(span)}`);
    this.time.textContent = live ? '' : `${clock(video.currentTime - start)} / ${clock(span)}`;
    this.time.hidden = live || !engine.url;
  }

  #live(live) {
    const { engine, edge, video } = this;
    edge.hidden = !live;
    if (!live) return;
    const latency = engine.latency;
    const atEdge = !video.paused && engine.edge - video.currentTime < LIVE;
    edge.classList.toggle('at-edge', atEdge);
    const text = `Live · ${seconds(latency.seconds)}`;
    if (edge.textContent !== text) edge.replaceChildren(h('span', { class: 'dot' }), text);
    edge.title = `${atEdge ? 'At the live edge' : 'Go to the live edge'}; latency ${latency.dated ? 'by the dates of the stream' : 'behind the end of the playlist'}`;
  }

  #hovered(event) {
    const box = this.seek.getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const { start, end } = this.engine.range;
    this.hover.hidden = end <= start;
    this.hover.textContent = this.engine.live ? `−${clock((1 - part) * (end - start))}` : clock(part * (end - start));
    this.hover.style.setProperty('left', `clamp(22px, ${part * 100}%, calc(100% - 22px))`);
  }

  menus() {
    this.quality.refresh(3);
    this.audio.refresh();
    this.captions.refresh();
  }

  #qualities() {
    const { engine } = this;
    const levels = engine.levels;
    const { chosen } = engine;
    const twice = level => levels.filter(other => quality(other) === quality(level)).length > 1 || !level.height;
    const auto = { value: -1, name: 'Auto', note: chosen === -1 && engine.level ? quality(engine.level) : '', checked: chosen === -1 };
    return [auto, ...levels.map(level => ({ value: level.index, name: quality(level), note: level.height || twice(level) ? rate(level.bitrate) : '', checked: level.index === chosen }))];
  }

  #subtitles() {
    const { engine } = this;
    const shown = engine.subtitle;
    return [{ value: -1, name: 'Off', checked: shown < 0 }, ...engine.subtitles.map(({ index, name }) => ({ value: index, name, checked: index === shown }))];
  }

  // -- The volume is the same next time ---------------------------------------------------------------------------------------------

  #remembered() {
    try {
      const { volume, muted } = JSON.parse(localStorage.getItem(VOLUME)) ?? {};
      if (volume >= 0 && volume <= 1) this.video.volume = volume;
      if (muted) this.video.muted = true;
    } catch {
      // Pages without storage begin anew.
    }
  }

  #remember() {
    const { volume, muted } = this.video;
    // Silence that the browser asked for is not the viewer's wish.
    if (this.muted && muted) return;
    this.muted = false;
    const text = JSON.stringify({ volume, muted });
    if (text === this.kept) return;
    this.kept = text;
    try {
      localStorage.setItem(VOLUME, text);
    } catch {
      // As above.
    }
  }
}

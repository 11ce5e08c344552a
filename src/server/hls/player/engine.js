// What plays: hls.js where Media Source Extensions are there, else the browser's own HLS. The rest of the page sees one shape of both.
//
// Events: `tracks` (menus have changed), `level` (another rendition plays), `trouble` ({ text, again }: what went wrong, and whether it is
// tried again without the viewer), `well` (it is over).

/** Milliseconds after which a stream that is not there is asked for again. */
const AGAIN = 3000;

/** How often a decoder is begun anew within a minute before the viewer is told. */
const RECOVERIES = 3;
const MINUTE = 60_000;

const TROUBLES = {
  manifestLoadError: 'The stream cannot be loaded',
  manifestLoadTimeOut: 'The stream does not answer',
  manifestParsingError: 'The playlist cannot be understood',
  manifestIncompatibleCodecsError: 'This browser cannot decode the stream',
  levelEmptyError: 'The stream has no segments yet',
  fragLoadError: 'A segment cannot be loaded',
  keyLoadError: 'The key of a segment cannot be loaded',
  fragDecryptError: 'A segment cannot be decrypted',
  bufferAppendError: 'The browser refuses a segment',
  bufferAddCodecError: 'This browser cannot decode the stream',
};

export class Engine extends EventTarget {
  constructor(video) {
    super();
    this.video = video;
    this.hls = null;
    this.url = null;
    this.switches = 0;
    this.recoveries = [];
    this.retry = 0;
    video.addEventListener('error', () => this.#mediaFailed());
    video.addEventListener('playing', () => this.#well());
  }

  /** Whether anything here can play HLS. */
  static get playable() {
    return Engine.#mse || document.createElement('video').canPlayType('application/vnd.apple.mpegurl') !== '';
  }

  static get #mse() {
    return typeof window.Hls === 'function' && window.Hls.isSupported();
  }

  /** Plays what the playlist at `url` names. */
  load(url) {
    this.stop();
    this.url = url;
    this.switches = 0;
    this.recoveries = [];
    if (Engine.#mse) this.#attach(url);
    else this.video.src = url;
  }

  /** Plays nothing any more. */
  stop() {
    clearTimeout(this.retry);
    this.hls?.destroy();
    this.hls = null;
    if (!Engine.#mse) this.video.removeAttribute('src');
    this.url = null;
  }

  #attach(url) {
    const { Hls } = window;
    const hls = new Hls({ backBufferLength: 60, maxLiveSyncPlaybackRate: 1.05, capLevelToPlayerSize: false });
    this.hls = hls;
    const tell = (name, detail) => this.dispatchEvent(new CustomEvent(name, { detail }));
    const { Events } = Hls;
    const menus = ['MANIFEST_PARSED', 'LEVELS_UPDATED', 'AUDIO_TRACKS_UPDATED', 'SUBTITLE_TRACKS_UPDATED', 'AUDIO_TRACK_SWITCHED', 'SUBTITLE_TRACK_SWITCH'];
    for (const name of menus) hls.on(Events[name], () => tell('tracks'));
    hls.on(Events.LEVEL_SWITCHED, (_, { level }) => {
      this.switches += 1;
      tell('level', level);
    });
    hls.on(Events.LEVEL_LOADED, () => this.#well());
    hls.on(Events.ERROR, (_, data) => this.#failed(data));
    hls.attachMedia(this.video);
    hls.loadSource(url);
  }

  #failed(data) {
    if (!data.fatal) return;
    const status = data.response?.code;
    const name = TROUBLES[data.details] ?? 'The stream cannot be played';
    const now = Date.now();
    this.recoveries = this.recoveries.filter(time => time > now - MINUTE);
    if (data.type === window.Hls.ErrorTypes.MEDIA_ERROR && this.recoveries.length < RECOVERIES) {
      this.recoveries.push(now);
      this.hls.recoverMediaError();
      return;
    }
    const passing = data.type === window.Hls.ErrorTypes.NETWORK_ERROR;
    const why = status ? ` (${status})` : '';
    this.#trouble(passing && status === 404 ? 'The stream is not there at the moment' : `${name}${why}`, passing);
  }

  #mediaFailed() {
    const { error } = this.video;
    // hls.js hears of the same error, and tells what was behind it.
    if (this.hls || !error) return;
    this.#trouble(error.code === MediaError.MEDIA_ERR_NETWORK ? 'The stream cannot be loaded' : 'This browser cannot play the stream', error.code === MediaError.MEDIA_ERR_NETWORK);
  }

  #trouble(text, again) {
    this.dispatchEvent(new CustomEvent('trouble', { detail: { text, again } }));
    clearTimeout(this.retry);
    if (again) this.retry = setTimeout(() => this.again(), AGAIN);
  }

  #well() {
    this.dispatchEvent(new CustomEvent('well'));
  }

  /** Tries again from the beginning. */
  again() {
    if (this.url) this.load(this.url);
  }

  /** Renditions, the best first: `{ index, height, bitrate, frameRate }`. */
  get levels() {
    const levels = this.hls?.levels ?? [];
    // A media playlist without a multivariant one says nothing of itself: what plays does.
    const alone = levels.length === 1 ? this.video : {};
    const all = levels.map((level, index) => ({
      index,
      height: level.height || alone.videoHeight || 0,
      bitrate: level.bitrate || level.realBitrate || NaN,
      frameRate: level.frameRate,
      codecs: [level.videoCodec, level.audioCodec].filter(Boolean).join(', '),
    }));
    return all.sort((a, b) => b.height - a.height || b.bitrate - a.bitrate);
  }

  /** The rendition that plays. */
  get level() {
    return this.levels.find(level => level.index === this.hls.currentLevel);
  }

  /** The rendition that was chosen by the viewer, -1 if the bandwidth decides. */
  get chosen() {
    return this.hls?.manualLevel ?? -1;
  }

  /** Plays this rendition from the next segment on. */
  choose(index) {
    if (this.hls) this.hls.nextLevel = index;
  }

  get audioTracks() {
    return (this.hls?.audioTracks ?? []).map((track, index) => ({ index, name: named(track) }));
  }

  get audioTrack() {
    return this.hls?.audioTrack ?? -1;
  }

  set audioTrack(index) {
    if (this.hls) this.hls.audioTrack = index;
  }

  get subtitles() {
    if (this.hls) return this.hls.subtitleTracks.map((track, index) => ({ index, name: named(track) }));
    return [...this.video.textTracks].filter(track => track.kind !== 'metadata').map((track, index) => ({ index, name: track.label || track.language }));
  }

  /** The subtitles that are shown, -1 for none. */
  get subtitle() {
    if (this.hls) return this.hls.subtitleDisplay ? this.hls.subtitleTrack : -1;
    return [...this.video.textTracks].filter(track => track.kind !== 'metadata').findIndex(track => track.mode === 'showing');
  }

  set subtitle(index) {
    if (this.hls) {
      this.hls.subtitleDisplay = index >= 0;
      this.hls.subtitleTrack = index;
      return;
    }
    const tracks = [...this.video.textTracks].filter(track => track.kind !== 'metadata');
    tracks.forEach((track, at) => { track.mode = at === index ? 'showing' : 'disabled'; });
  }

  /** Whether the stream goes on at its end. */
  get live() {
    if (this.hls) return this.hls.latestLevelDetails?.live ?? false;
    return this.video.duration === Infinity;
  }

  /** What may be watched: its first and its last second. */
  get range() {
    const { seekable } = this.video;
    if (!seekable.length) return { start: 0, end: Number.isFinite(this.video.duration) ? this.video.duration : 0 };
    return { start: seekable.start(0), end: seekable.end(seekable.length - 1) };
  }

  /** Where one who watches live should be. */
  get edge() {
    return this.hls?.liveSyncPosition ?? this.range.end;
  }

  /** When what is on the screen was made, by its EXT-X-PROGRAM-DATE-TIME; null if nothing says. */
  get date() {
    if (this.hls) return this.hls.playingDate;
    const start = this.video.getStartDate?.();
    return start && !Number.isNaN(start.getTime()) ? new Date(start.getTime() + this.video.currentTime * 1000) : null;
  }

  /** Seconds between the making of what is on the screen and now, and how that is known: by dates, or by the playlist's end. */
  get latency() {
    if (!this.live) return null;
    const { date } = this;
    if (date) return { seconds: (Date.now() - date.getTime()) / 1000, dated: true };
    return { seconds: this.hls?.latency || this.range.end - this.video.currentTime, dated: false };
  }

  /** Seconds that can be played without the network. */
  get buffered() {
    const { buffered, currentTime } = this.video;
    for (let at = 0; at < buffered.length; at += 1) {
      if (buffered.start(at) <= currentTime + 0.2 && currentTime < buffered.end(at)) return buffered.end(at) - currentTime;
    }
    return 0;
  }

  /** Bits a second that the network brings, as far as is known. */
  get bandwidth() {
    return this.hls?.bandwidthEstimate ?? NaN;
  }

  /** Rows of what is known of the playlist that plays. */
  get details() {
    const details = this.hls?.latestLevelDetails;
    return { target: details?.targetduration, part: details?.partTarget, name: this.hls ? `hls.js ${window.Hls.version}` : 'the browser\u2019s own HLS' };
  }
}

function named(track) {
  return track.name || track.lang || 'Unnamed';
}

// Numbers as people read them.

/** Seconds as `1:05` or `2:03:04`. */
export function clock(seconds) {
  if (!Number.isFinite(seconds)) return '0:00';
  const whole = Math.max(0, Math.floor(seconds));
  const two = value => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Seconds for those who hear them. */
export function spoken(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const part = (value, name) => (value ? `${value} ${name}${value === 1 ? '' : 's'}` : '');
  const parts = [part(Math.floor(whole / 3600), 'hour'), part(Math.floor(whole / 60) % 60, 'minute'), part(whole % 60, 'second')];
  return parts.filter(Boolean).join(' ') || '0 seconds';
}

/** Bits a second as `2.4 Mb/s`. */
export function rate(bits) {
  if (!Number.isFinite(bits) || bits <= 0) return '–';
  if (bits >= 1e6) return `${(bits / 1e6).toFixed(bits >= 1e7 ? 0 : 1)} Mb/s`;
  return `${Math.round(bits / 1e3)} kb/s`;
}

/** Seconds with one digit behind the point; with two below 10 s if they matter. */
export function seconds(value, digits = 1) {
  return Number.isFinite(value) ? `${value.toFixed(digits)} s` : '–';
}

/** What a rendition is called in a menu: by its height, or by its rate where it has none. */
export function quality(level) {
  if (!level) return '–';
  if (!level.height) return rate(level.bitrate);
  return `${level.height}p${level.frameRate > 45 ? Math.round(level.frameRate) : ''}`;
}

// Numbers and times, as people read them.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `512 B`, `1.5 GiB`, `112 GiB`. */
function bytes(number) {
  let unit = 0;
  let value = number;
  // Four digits are too wide for a column: 1000 KiB are said as 1.0 MiB.
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${value.toFixed(unit && value < 99.95 ? 1 : 0)} ${UNITS[unit]}`;
}

/** A number that does not change, without a zero behind its point. */
const roundBytes = number => bytes(number).replace('.0 ', ' ');
const rate = number => `${bytes(number)}/s`;
/** Never rounded up: 100 % is only what is complete. */
const percent = part => `${Math.floor(part * (part < 0.1 ? 1000 : 100)) / (part < 0.1 ? 10 : 1)} %`;
const count = (number, one, many = `${one}s`) => `${number.toLocaleString('en')} ${number === 1 ? one : many}`;

/** `45 s`, `5 min 03 s`, `1 h 05 min`, `2 d 03 h`. */
function span(seconds) {
  const two = (many, unit, few, small) => `${many} ${unit} ${String(few).padStart(2, '0')} ${small}`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(Math.floor(whole / 60), 'min', whole % 60, 's');
  if (whole < 86_400) return two(Math.floor(whole / 3600), 'h', Math.floor(whole / 60) % 60, 'min');
  const days = Math.floor(whole / 86_400);
  return days < 100 ? two(days, 'd', Math.floor(whole / 3600) % 24, 'h') : `${days.toLocaleString('en')} d`;
}

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const date = seconds => DATE.format(seconds * 1000);

/** What the server says, as a sentence of its own. */
function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}

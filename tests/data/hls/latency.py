"""How far behind the encoder a browser shows a stream. Stands behind devtools.py; is given the address of DevTools, and where to publish.

The clock is burnt into each picture when it is made: the milliseconds since 1970 as 31 stripes, black for 0 and white for 1, the last bit first, and one
that makes the number of white ones even. ffmpeg encodes and publishes them; the page reads them from the picture that it shows, and compares them with its own
clock. Prints the delays in milliseconds: least, median, most."""

import subprocess
import threading
import time

devtools, publish = sys.argv[1:3]

STRIPE, STRIPES, HEIGHT, RATE = 16, 32, 64, 25
WIDTH = STRIPE * STRIPES


def picture(millis):
    bits = [millis >> n & 1 for n in range(STRIPES - 1)]
    bits.append(sum(bits) % 2)
    return b"".join(bytes([235 if bit else 16]) * STRIPE for bit in bits) * HEIGHT


def encode():
    size = f"{WIDTH}x{HEIGHT}"
    coding = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -tune zerolatency -g 25 -bf 0 -f flv"
    command = f"ffmpeg -v error -f rawvideo -pix_fmt gray -s {size} -r {RATE} -i - {coding} {publish}".split()
    encoder = subprocess.Popen(command, stdin=subprocess.PIPE)
    begin, number = time.time(), 0
    while encoder.poll() is None:
        # A camera keeps its pace: a picture is due when it is due, however long the last one took.
        time.sleep(max(0, begin + number / RATE - time.time()))
        try:
            encoder.stdin.write(picture(int(time.time() * 1000) % 2**31))
            encoder.stdin.flush()
        except BrokenPipeError:
            break
        number += 1


threading.Thread(target=encode, daemon=True).start()
page = Page(devtools)
READ = """
new Promise(done => {
  const canvas = new OffscreenCanvas(%(WIDTH)d, %(HEIGHT)d).getContext('2d', { willReadFrequently: true });
  const seen = [];
  let begun = 0;
  const look = () => {
    const video = document.querySelector('video');
    if (!begun && video && !video.paused && video.currentTime > 0) begun = video.currentTime;
    // Players settle at first.
    if (begun && video.currentTime > begun + 4 && video.videoWidth === %(WIDTH)d) {
      canvas.drawImage(video, 0, 0);
      const now = Date.now();
      const { data } = canvas.getImageData(0, %(HEIGHT)d / 2, %(WIDTH)d, 1);
      let value = 0, white = 0;
      for (let n = 0; n < %(STRIPES)d; n += 1) {
        const bit = data[(n * %(STRIPE)d + %(STRIPE)d / 2) * 4] > 128 ? 1 : 0;
        white += bit;
        if (n < %(STRIPES)d - 1) value += bit * 2 ** n;
      }
      if (white %% 2 === 0) seen.push(now %% 2 ** 31 - value);
    }
    if (seen.length < 100) setTimeout(look, 50);
    else done(seen.sort((a, b) => a - b));
  };
  look();
})
""" % globals()
reply = page.ask("Runtime.evaluate", expression=READ, awaitPromise=True, returnByValue=True)
assert "exceptionDetails" not in reply, reply
delays = reply["result"]["value"]
print(delays[0], delays[len(delays) // 2], delays[-1])

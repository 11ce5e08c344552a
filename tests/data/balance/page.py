# An operator at the status page: drains a backend, changes its weight and purges a cache, all by keyboard; prints what the page shows. TOKEN is what
# the page asks for before the first change.

devtools, token = sys.argv[1:]
page = Page(devtools)


def press(selector):
    page.focus(selector)
    page.enter()


def answer(text):
    """Writes into the field of the dialog that has the focus."""
    page.appears("dialog[open] input:focus")
    page.enter(text)


print(page.appears("tbody .state"))
press("tbody .act button")
answer("not-the-token-of-this-one")
print(page.appears("dialog[open] .refused", "token"))
answer(token)
print(page.appears("tbody .state", "Draining"))
press("tbody .weigh")
answer("7")
print(page.appears("tbody .weigh", "7"))
press("#caches button")
answer("*")
print(page.appears("#notice", "forgotten"))
# Nothing may be wider than a telephone.
page.ask("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
width = page.ask("Runtime.evaluate", expression="document.documentElement.scrollWidth")
print(width["result"]["value"])

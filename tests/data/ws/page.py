# Types a line into the page of the demo, and prints the text of the element that answers. READY, FIELD and ANSWER are CSS selectors: of what is
# there when the page is ready, of the field to type into, and of what appears in the end.

devtools, ready, field, line, answer = sys.argv[1:]
page = Page(devtools)
print(page.appears(ready))
page.focus(field)
page.enter(line)
print(page.appears(answer))

// The colours that were chosen are set before anything is drawn.
const chosen = localStorage.getItem('wireworks.theme');
if (chosen) document.documentElement.dataset.theme = chosen;

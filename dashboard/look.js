// In the head of the page and of the sign-in page, before anything is drawn: the look that this browser was given (see
// web/looks.js). Without one, or without a memory, it is the cosmos.
try {
  const look = localStorage.getItem("dbwatch-look")
  if (["plain", "light", "dark"].includes(look)) document.documentElement.dataset.look = look
} catch { /* storage is closed to us */ }

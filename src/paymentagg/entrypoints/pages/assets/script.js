// Three conveniences; every page works without this file. They show content of pages that the server made.
const parsed = (text) => new DOMParser().parseFromString(text, "text/html");
const load = (address) => fetch(address).then((response) => response.text()).then(parsed).catch(() => null);
const show = (page) => {
  document.querySelector("main").replaceWith(page.querySelector("main"));
  document.title = page.title;
  upload();
};

// Search as you type: after a pause, fetch the page that the form would lead to, and show its results.
for (const form of document.querySelectorAll("form[data-live]")) {
  let timer, latest = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const turn = ++latest, address = `${form.action}?${new URLSearchParams(new FormData(form))}`;
      const results = (await load(address))?.querySelector(form.dataset.live);
      if (!results || turn !== latest) return; // what was typed since is on its way
      document.querySelector(form.dataset.live).replaceWith(results);
      history.replaceState(null, "", address);
    }, 250);
  });
}

// The page of a preview or a sync that runs: look again every second until it is done.
const poll = () => document.querySelector("[data-poll]") && setTimeout(async () => {
  const page = await load(location.href);
  if (page) show(page);
  poll();
}, 1000);

// An upload shows its progress, and files can be dropped on their places.
const upload = () => {
  const form = document.querySelector("form[data-upload]");
  for (const place of form?.querySelectorAll(".drop") ?? []) {
    const mark = (event, over) => (event.preventDefault(), place.classList.toggle("over", over));
    place.addEventListener("dragover", (event) => mark(event, true));
    place.addEventListener("dragleave", (event) => mark(event, false));
    place.addEventListener("drop", (event) => {
      mark(event, false);
      place.querySelector("input").files = event.dataTransfer.files;
    });
  }
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    const request = new XMLHttpRequest(), bar = form.querySelector("progress");
    bar.hidden = false;
    request.upload.onprogress = ({ loaded, total }) => (bar.value = loaded / total);
    request.onload = () =>
      request.status < 400 ? location.assign(request.responseURL) : show(parsed(request.responseText));
    request.onerror = () => form.submit(); // the browser says what is wrong
    request.open("POST", form.action);
    request.send(new FormData(form));
  });
};
upload();
poll();

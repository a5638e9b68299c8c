// Figures that stay new without a reload: /live.json gives them by key. Without this file the page is as old as it says.
"use strict";

(() => {
  const EVERY_MS = 5000;
  const places = new Map([...document.querySelectorAll("[data-live]")].map((one) => [one.dataset.live, one]));

  async function renew() {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.origin + "/live.json", { credentials: "same-origin", cache: "no-store" });
      if (!answer.ok) return;
      for (const [key, text] of Object.entries(await answer.json())) {
        const place = places.get(key);
        if (place) (place.querySelector("time") ?? place).textContent = text;
      }
      document.body.dataset.live = "yes";
    } catch {
      // The gateway is away: the time beside each value says how old it is.
    }
  }

  if (places.size) {
    setInterval(renew, EVERY_MS);
    document.addEventListener("visibilitychange", renew);
  }
})();

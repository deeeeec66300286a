// Asks the service, and knows its addresses.

/** What the service, or the way to it, says against a request. */
export class Problem extends Error {
  constructor(message, unreachable = false) {
    super(message);
    this.unreachable = unreachable;
  }
}

/** An address relative to the page, without the parameters that are empty. */
export function address(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return query ? `${path}?${query}` : path;
}

export function ofVideo(video, what, parameters = {}) {
  return address(`videos/${encodeURIComponent(video)}/${what}`, parameters);
}

/** Reads JSON, and anything else as null; an aborted request throws the browser's AbortError. */
export async function ask(where, signal) {
  let response;
  try {
    response = await fetch(where, { signal, headers: { accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The service does not answer. See whether it still runs, and try again.", true);
  }
  let body = null;
  try {
    body = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (response.ok) return body;
  throw new Problem(body?.error ?? `The service answers with status ${response.status} and says nothing more.`);
}

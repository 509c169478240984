// What the chat asks of the server besides its websocket: pages, and the start of a conversation.

// Logging in, in another tab, changes the token that the page was given.
export const withToken = (body) => {
  const token = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie);
  if (token) body.set("csrfmiddlewaretoken", token[1]);
  return body;
};

const parsed = async (response) =>
  new DOMParser().parseFromString(await response.text(), "text/html");

// Returns {reply} of the conversation that was made, or {problem} in words.
export const startConversation = async (form, words) => {
  const body = withToken(new FormData(form));
  body.delete("text");
  try {
    const headers = { Accept: "application/json" };
    const response = await fetch(form.action, { method: "POST", body, headers });
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
    if (response.redirected || (response.status === 403 && !isJson)) return { problem: words.login };
    const reply = await response.json();
    return response.ok ? { reply } : { problem: reply.message || words.unsent };
  } catch {
    return { problem: words.unsent };
  }
};

// Both return the page as a document, or null: no connection, or nothing for this reader any more.
export const fetchPage = async (address) => {
  try {
    const response = await fetch(address);
    return response.ok && !response.redirected ? await parsed(response) : null;
  } catch {
    return null;
  }
};

// `leads`: the path of the page to which a good answer leads.
export const postForm = async (address, body, leads) => {
  try {
    const response = await fetch(address, { method: "POST", body: withToken(body) });
    const isThere = response.ok && new URL(response.url).pathname === leads;
    return isThere ? await parsed(response) : null;
  } catch {
    return null;
  }
};

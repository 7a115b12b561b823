// SPDX-License-Identifier: GPL-3.0-or-later
// Requests without a pause, while something happens to the gateway that must not cost one of them.

// How long such tests go on. CI is short; a release is tried for a minute each.
export const LOAD_SECONDS = Number(process.env.SALLYPORT_LOAD_SECONDS ?? 4)

// While `meanwhile` runs, which is given what tells how many requests were answered, half of `clients` keep their connections and half come anew for each request. Resolves to what went wrong and how many went through;
// rejects if `meanwhile` does, once the requests are over.
export async function underLoad(w, clients, path, meanwhile) {
  const failures = []
  let count = 0
  let over = false
  const running = clients.map(async (client, i) => {
    while (!over) {
      const fresh = i % 2 === 1
      const c = fresh ? await w.workload(`fresh-${count}`, { who: client.who, keys: client.keys, token: client.token }) : client
      try {
        const answer = await c.get(path)
        if (answer.status !== 200) failures.push(`${answer.status} ${answer.text}`)
      } catch (e) {
        failures.push(`${fresh ? 'new' : 'kept'}: ${e.message}`)
      }
      if (fresh) c.close()
      count++
    }
  })
  try {
    await meanwhile(() => count)
  } finally {
    over = true
    await Promise.all(running)
  }
  return { failures, count }
}

// Calls `step` again and again for the time that such tests have, at least once; resolves to how often.
export async function again(step) {
  const end = Date.now() + LOAD_SECONDS * 1000
  let times = 0
  do { await step(times++) } while (Date.now() < end)
  return times
}

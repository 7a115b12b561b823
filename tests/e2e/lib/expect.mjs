// SPDX-License-Identifier: GPL-3.0-or-later
// What a refusal looks like.
import assert from 'node:assert/strict'

// An answer that refuses: status, stable code, challenge, and nothing that tells more.
export function refused(answer, { status, code, challenge = status === 401 ? /^DPoP algs="ES256 EdDSA"/ : undefined }) {
  assert.equal(answer.status, status, answer.text)
  assert.equal(answer.headers['content-type'], 'application/problem+json')
  const problem = answer.json
  assert.equal(problem.code, code)
  assert.equal(problem.status, status)
  assert.equal(problem.request_id, answer.headers['x-request-id'])
  assert.match(problem.request_id, /^[0-9a-f]{32}$/)
  assert.deepEqual(Object.keys(problem).sort(), ['code', 'request_id', 'status', 'title', 'type'], 'a refusal says no more than this')
  assert.equal(answer.headers['cache-control'], 'no-store')
  if (challenge) assert.match(answer.headers['www-authenticate'] ?? '', challenge)
  else assert.equal(answer.headers['www-authenticate'], undefined)
}

// Runs `what`, and holds that none of it came to the shard.
export async function nothingReaches(upstream, what) {
  const [requests, connections] = [upstream.requests.length, upstream.connections]
  const result = await what()
  assert.equal(upstream.requests.length, requests, `the shard got ${upstream.last?.line}`)
  assert.equal(upstream.connections, connections, 'the shard was connected to')
  return result
}

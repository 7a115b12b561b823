// SPDX-License-Identifier: GPL-3.0-or-later
// Tokens that end, or are taken back, in the middle of a request whose token gate only observes; and what a shard gets to see of it all.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { PassThrough } from 'node:stream'
import { after, before, test } from 'node:test'
import { refused } from './lib/expect.mjs'
import { until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { command, dumpLogs } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
const SEARCH = `${DOCS}/points/search`
// `open` is permitted as a workload; `named` by its token alone.
const POLICIES = `
@id("open")
permit (principal == Workload::"spiffe://example.org/open", action, resource);
@id("named")
permit (principal == Workload::"spiffe://example.org/named", action, resource)
when { context.token has subject };
`
let w, shard

before(async () => {
  shard = await Upstream.start()
  w = await World.make('observe-time', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }], policies: POLICIES })
  w.config.revocations = { store: w.at('revoked.db'), grace: '500ms' }
  w.config.issuers[0].leeway = '0s'
  w.config.listener.modes = { token: 'observe', until: new Date(Date.now() + 86400000).toISOString().slice(0, 10) }
  w.save()
  await w.start()
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

// A token that ends in so many seconds.
async function brief(name, ttl) {
  const issued = Math.floor(Date.now() / 1000)
  const c = await w.workload(name, { mint: { ttl, issued } })
  return Object.assign(c, { ends: (issued + ttl) * 1000 })
}

// An answer that goes on until it is told to end.
async function stream(c) {
  const found = { bytes: 0 }
  shard.answer = (request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nsallyport-observed: made-up\r\ntransfer-encoding: chunked\r\n\r\n')
    const timer = setInterval(() => socket.write('1\r\nx\r\n'), 50)
    found.finish = () => { clearInterval(timer); socket.write('0\r\n\r\n') }
    socket.once('close', () => clearInterval(timer))
  }
  await c.get(DOCS, { onResponse: response => {
    Object.assign(found, { id: response.headers['x-request-id'], status: response.statusCode, observed: response.headers['sallyport-observed'] })
    response.on('data', data => { found.bytes += data.length })
    response.on('error', () => {})
    response.on('end', () => { found.whole = response.complete })
    response.on('close', () => { found.over = true })
  } })
  shard.answer = undefined
  await until('the first bytes', () => found.bytes > 0)
  return found
}

test('a token that ends while its answer streams does not end it where the token gate observes, and the record says so', async () => {
  const c = await brief('open', 2)
  const found = await stream(c)
  assert.equal(found.observed, undefined)
  await until('the token to be over for long', () => Date.now() > c.ends + 2500, 10000)
  const bytes = found.bytes
  await until('the stream to go on', () => found.bytes > bytes)
  found.finish()
  await until('its end', () => found.over)
  assert.ok(found.whole)
  const record = await w.record(found.id)
  assert.deepEqual([record.decision, record.status, record.observed.map(o => o.rule)], ['observed', 200, ['TOKEN_EXPIRED']])
})

test('a token that is revoked while its answer streams ends it all the same', async () => {
  const c = await w.workload('open')
  const found = await stream(c)
  fs.writeFileSync(w.at('token'), c.token)
  command('token', 'revoke', '--store', w.at('revoked.db'), '--token', `@${w.at('token')}`)
  await until('the end', () => found.over, 10000)
  assert.ok(!found.whole)
  assert.match(JSON.stringify(await w.record(found.id)), /TOKEN_REVOKED/)
})

// A search whose body comes when the token is over.
async function slow(c) {
  const body = new PassThrough()
  const answer = c.request('POST', SEARCH, { body, headers: { 'content-type': 'application/json' } })
  body.write('{"vector":[0.5],')
  await until('the token to be over', () => Date.now() > c.ends + 300, 10000)
  body.end('"limit":1}')
  return answer
}

test('a token that ends while the body is awaited is not believed any more when it is decided', async () => {
  const [open, named] = await Promise.all([slow(await brief('open', 3)), slow(await brief('named', 3))])
  assert.equal(open.status, 200, open.text)
  assert.equal(open.headers['sallyport-observed'], 'token_expired')
  refused(named, { status: 403, code: 'denied' })
  const record = await w.record(open.headers['x-request-id'])
  assert.equal(record.subject, undefined)
  assert.ok(record.observed[0].jti)
  assert.equal((await w.record(named.headers['x-request-id'])).decision, 'deny')
})

test('no credential reaches the shard, and a token in the query none at all', async () => {
  const c = await w.workload('open')
  c.token = undefined
  const answer = await c.post(SEARCH, { vector: [0.5], limit: 1 }, { headers: { authorization: 'Basic c2VjcmV0', 'api-key': 'secret' } })
  assert.equal(answer.status, 200, answer.text)
  assert.equal(answer.headers['sallyport-observed'], 'token_missing')
  assert.ok(!JSON.stringify(shard.last.headers).includes('c2VjcmV0') && !shard.last.get('api-key') && !shard.last.get('authorization'))
  const before = shard.requests.length
  refused(await c.get(`${DOCS}?access_token=secret`), { status: 400, code: 'token_ways', challenge: /DPoP/ })
  assert.equal(shard.requests.length, before)
})

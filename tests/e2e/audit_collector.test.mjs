// SPDX-License-Identifier: GPL-3.0-or-later
// A collector of audit records that is down, slow, errs, and a gateway that is killed meanwhile: every record arrives once at least, with a number by
// which a repetition is known, and what arrived is a whole chain.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import https from 'node:https'
import { after, before, test } from 'node:test'
import { port, sallyport, sanitised, sleep, until } from './lib/files.mjs'
import { plain } from './lib/client.mjs'
import { World } from './lib/gateway.mjs'
import { command, dumpLogs, run } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const N = sanitised ? 24 : 60
const got = new Map() // number → line
const answered = []
let w, shard, client, collector, collectorPort, mode = 'ok', batches = [], repeated = 0

async function up() {
  collector = https.createServer({ cert: w.server.certPem, key: w.server.keyPem }, (request, response) => {
    const pieces = []
    request.on('data', p => pieces.push(p)).on('end', async () => {
      if (mode === 'slow') await sleep(400)
      if (mode === 'error') return response.writeHead(500).end()
      if (mode === 'hang') return
      if (mode === 'cut') return request.socket.destroy()
      const lines = Buffer.concat(pieces).toString().trimEnd().split('\n')
      if (mode === 'small' && lines.length > 8) return response.writeHead(413).end()
      const numbers = lines.map(l => JSON.parse(l).seq)
      batches.push({ headers: request.headers, numbers })
      for (const [i, n] of numbers.entries()) {
        if (got.has(n)) { repeated++; assert.equal(got.get(n), lines[i]) }
        got.set(n, lines[i])
      }
      if (mode === 'forgetful') return request.socket.destroy() // it has them, and the gateway cannot know
      response.writeHead(204).end()
    })
  })
  await new Promise(resolve => collector.listen(collectorPort, '127.0.0.1', resolve))
}

async function down() {
  collector.closeAllConnections()
  await new Promise(resolve => collector.close(resolve))
}

before(async () => {
  shard = await Upstream.start()
  collectorPort = await port()
  w = await World.make('collector', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }],
    change: { audit: { sync: 'request', rotate: { size: '24KiB', keep: 1 } } } })
  fs.mkdirSync(w.at('keys'))
  command('token', 'keygen', '--out', w.at('keys'), '--no-passphrase')
  fs.writeFileSync(w.at('token'), 'a-token-for-the-collector\n', { mode: 0o600 })
  w.config.audit.signing = { key: w.at('keys/key.pem'), every: '1s' }
  w.config.audit.http = {
    url: `https://localhost:${collectorPort}/ingest?source=gateway`, tls: { ca: w.ca.bundle }, bearer_token_file: w.at('token'),
    batch: '16KiB', interval: '50ms', spool: '1MiB', timeouts: { first_byte: '2s' }
  }
  w.save()
  await up()
  await w.start()
  client = await w.workload('client')
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await down().catch(() => {})
  await shard?.stop()
})

async function ask(n = N) {
  for (let i = 0; i < n; i += 4) {
    await Promise.all(Array.from({ length: 4 }, async () => {
      try {
        const answer = await client.get('/collections/docs')
        assert.equal(answer.status, 200, answer.text)
        answered.push(answer.headers['x-request-id'])
      } catch (error) { if (error instanceof assert.AssertionError) throw error }
    }))
  }
}

const arrived = () => { const text = [...got.values()].join('\n'); return answered.every(id => text.includes(id)) }
const all = what => until(what, arrived, 40000)

test('batches come over TLS with the token, the log and its numbers', async () => {
  await ask()
  await all('every record')
  const { headers, numbers } = batches.at(-1)
  assert.equal(headers.authorization, 'Bearer a-token-for-the-collector')
  assert.equal(headers['content-type'], 'application/x-ndjson')
  assert.equal(headers['sallyport-audit-seq'], `${numbers[0]}-${numbers.at(-1)}`)
  assert.equal(headers['sallyport-audit-log'], JSON.parse(got.get(1)).log)
  assert.equal(repeated, 0)
})

test('a collector that errs, cuts, hangs or wants less at once gets all of it later', async () => {
  for (const bad of ['error', 'cut', 'small', 'slow']) {
    mode = bad
    await ask(16)
    if (bad !== 'small' && bad !== 'slow') await until(`the gateway to notice ${bad}`, () => /did not take a batch/.test(w.process.log))
    if (bad === 'error' || bad === 'cut') mode = 'ok'
    await all(`every record after ${bad}`)
  }
  mode = 'ok'
})

test('no request waits for a collector that is down; the files are kept until it has them', async () => {
  await down()
  const began = Date.now()
  await ask(N * 2)
  assert.ok(Date.now() - began < 20000)
  const rotated = fs.readdirSync(w.folder).filter(f => /^audit\.jsonl\.\d{6}$/.test(f))
  assert.ok(rotated.length > 1, `more than keep: ${rotated.join()}`)
  await up()
  await all('every record')
})

test('with too much that is not sent nothing new is let in, until it is', { skip: sanitised && 'a megabyte of records takes too long' }, async () => {
  await down()
  let refused
  for (let i = 0; i < 300 && !refused; i++) {
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.get('/collections/docs')))
    for (const a of answers) if (a.status === 200) answered.push(a.headers['x-request-id'])
    refused = answers.find(a => a.status !== 200)
  }
  assert.equal(refused?.status, 503, refused?.text)
  const ready = await plain(w.operations, '/readyz')
  assert.equal(ready.status, 503)
  assert.match(ready.text, /collector is too far behind/)
  assert.match(w.process.log, /bytes are not sent to the collector; requests are refused/)
  await up()
  await w.reload() // which tries at once
  await until('requests to be let in', async () => (await client.get('/collections/docs')).status === 200, 40000)
  await all('every record')
})

test('killed while batches are under way, it sends them again and loses none', async () => {
  for (const [i, bad] of ['forgetful', 'hang', 'error'].entries()) {
    mode = bad
    const asking = ask(24)
    await sleep(100 + 60 * i)
    w.process.kill('SIGKILL')
    await w.process.ended
    await asking
    mode = 'ok'
    await w.start()
    client.close()
    client = await w.workload('client', { who: client.who, keys: client.keys, token: client.token })
  }
  await ask(8)
  await all('every record')
})

test('what arrived is the chain, without a gap, and its signatures verify', async () => {
  await w.stop()
  await w.start()
  client = await w.workload('client', { who: client.who, keys: client.keys, token: client.token })
  await until('what the process before wrote last', () => [...got.values()].some(l => l.includes('"cause":"stop"')))
  const numbers = [...got.keys()].sort((a, b) => a - b)
  assert.deepEqual([numbers[0], numbers.at(-1)], [1, numbers.length])
  fs.writeFileSync(w.at('collected.jsonl'), numbers.map(n => got.get(n)).join('\n') + '\n')
  const v = JSON.parse(run(sallyport, ['audit', 'verify', w.at('collected.jsonl'), '--key', w.at('keys/jwks.json'), '--json']).out)
  // Pieces that kills left are not sent: whoever has the files can hold them against the lines that tell of them.
  assert.ok(v.findings.every(f => f.kind === 'note' || /piece of a line/.test(f.text)), JSON.stringify(v.findings))
})

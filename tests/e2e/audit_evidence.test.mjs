// SPDX-License-Identifier: GPL-3.0-or-later
// The audit log as evidence: of a gateway that is killed under load, rotates under load, and writes to standard output, `audit verify` finds every line
// in its place and signed, and a line that was changed.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { sallyport, sanitised, sleep, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { command, dumpLogs, run as program } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const LOAD = sanitised ? 60 : 200
let w, shard, client, key

before(async () => {
  shard = await Upstream.start()
  w = await World.make('evidence', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }],
    change: { audit: { sync: 'request' } } })
  fs.mkdirSync(w.at('keys'))
  command('token', 'keygen', '--out', w.at('keys'), '--no-passphrase')
  key = w.at('keys/jwks.json')
  w.config.audit.signing = { key: w.at('keys/key.pem'), every: '1s', records: 20 }
  w.config.audit.rotate = { size: '16KiB' }
  w.save()
  await w.start()
  client = await w.workload('client')
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

const run = (...args) => program(sallyport, args)
const verify = (...more) => {
  const done = run('audit', 'verify', w.audit, '--key', key, '--json', ...more)
  assert.ok(done.out.startsWith('{'), done.err)
  return { code: done.status, ...JSON.parse(done.out) }
}
const files = () => fs.readdirSync(w.folder).filter(f => /^audit\.jsonl(\.\d+)?$/.test(f)).sort()
// A file that is rotated while they are read would be missed by its old name and by its new one.
const lines = () => {
  for (;;) {
    const names = files()
    const text = names.map(f => { try { return fs.readFileSync(`${w.folder}/${f}`, 'utf8') } catch { return '' } })
    if (files().join() === names.join()) return text.join('').split('\n').flatMap(l => { try { return [JSON.parse(l)] } catch { return [] } })
  }
}

async function one(ids) {
  try {
    const answer = await client.get('/collections/docs')
    assert.equal(answer.status, 200, answer.text)
    ids.push(answer.headers['x-request-id'])
  } catch (error) { if (error instanceof assert.AssertionError) throw error }
}

// What was answered must be in the log.
async function load(n, ids) {
  for (let i = 0; i < n; i += 4) await Promise.all([one(ids), one(ids), one(ids), one(ids)])
}

// The file of the configured name, which is away for a moment when it is rotated.
const present = () => { try { return fs.readFileSync(w.audit, 'utf8') } catch { return '' } }

function recorded(ids) {
  const seen = new Set(lines().filter(l => l.kind === 'request').map(l => l.request_id))
  for (const id of ids) assert.ok(seen.has(id), `${id} has no record`)
}

test('under load files are begun anew, no record is lost, and the chain goes on over all of them', async () => {
  const ids = []
  await load(LOAD, ids)
  assert.equal(ids.length, LOAD)
  assert.ok(files().length > 2, files().join())
  recorded(ids)
  await until('a checkpoint behind the last record', () => verify().unsigned === 0)
  const v = verify()
  assert.deepEqual([v.code, v.valid, v.faults], [0, true, 0])
  assert.ok(v.records >= LOAD && v.checkpoints >= 2)
})

test('killed under load it goes on where it was, and all of it verifies', async () => {
  const ids = []
  for (let round = 0; round < 3; round++) {
    const loading = load(LOAD / 2, ids)
    await sleep(150 + 70 * round)
    w.process.kill('SIGKILL')
    await w.process.ended
    await loading
    await w.start()
    client.close?.()
    client = await w.workload('client')
  }
  await load(8, ids)
  assert.ok(ids.length > 8)
  recorded(ids)
  const v = verify()
  assert.deepEqual([v.code, v.valid], [0, true], JSON.stringify(v.findings))
  assert.ok(v.findings.some(f => f.kind === 'note' && /did not end in order/.test(f.text)), JSON.stringify(v.findings))
})

test('a rotated file by another name begins a new one by itself', async () => {
  fs.renameSync(w.audit, `${w.folder}/audit.jsonl.999999`)
  const ids = []
  await until('the new file', async () => { await load(4, ids); return fs.existsSync(w.audit) })
  recorded(ids)
  fs.renameSync(`${w.folder}/audit.jsonl.999999`, `${w.folder}/kept`)
  // What came before it was there went to the old one, and what comes may fill it: the tests below look at one that has requests and is far from full.
  await until('requests in the new file', async () => {
    await one(ids)
    const text = present()
    return text.length < 8192 && /"kind":"request"/.test(text)
  })
})

test('trace says where a token was used', async () => {
  const jti = lines().findLast(l => l.jti).jti
  const done = run('audit', 'trace', w.audit, '--jti', jti, '--json')
  const { uses, remotes } = JSON.parse(done.out)
  assert.equal(uses.length, lines().filter(l => l.jti === jti && l.kind === 'request').length)
  assert.deepEqual(remotes.map(r => r.value), ['127.0.0.1'])
  assert.match(run('audit', 'tail', '--no-follow', w.audit).out, /allow {2}200 {2}\S+ docs/)
})

test('stopped in order it says so; a line that is changed, removed or moved is found', async () => {
  await w.stop()
  // From its last start on: what stands in the file.
  const whole = fs.readFileSync(w.audit, 'utf8')
  const alone = w.at('alone.jsonl')
  const check = text => {
    fs.writeFileSync(alone, text)
    const done = run('audit', 'verify', alone, '--key', key, '--json')
    return JSON.parse(done.out)
  }
  const v = check(whole)
  assert.deepEqual([v.valid, v.ended_in_order, v.unsigned], [true, true, 0], JSON.stringify(v))
  const all = whole.trimEnd().split('\n')
  const at = all.findIndex(l => /"kind":"request"/.test(l))
  assert.ok(at >= 0, whole)
  const changed = [...all]
  changed[at] = changed[at].replace(/"decision":"[a-z]+"/, '"decision":"deny" ')
  for (const [what, text] of [['altered', changed], ['removed', all.toSpliced(at, 1)], ['moved', all.toSpliced(at + 1, 0, all[at])], ['inserted', all.toSpliced(at, 0, '{"kind":"request"}')]]) {
    const bad = check(text.join('\n') + '\n')
    assert.equal(bad.valid, false, what)
    assert.ok(bad.first_fault.line <= at + 2, `${what}: ${JSON.stringify(bad.first_fault)}`)
    assert.ok(bad.findings.some(f => f.kind === what), `${what}: ${JSON.stringify(bad.findings)}`)
  }
})

test('on standard output every line is a link of the same kind', async () => {
  delete w.config.audit.file
  delete w.config.audit.rotate
  w.config.audit.stdout = true
  w.save()
  await w.start()
  client = await w.workload('client')
  const ids = []
  await load(20, ids)
  const out = () => w.process.log.split('\n').filter(l => l.startsWith('{"time"'))
  await until('the records', () => ids.every(id => out().some(l => l.includes(id))))
  await w.stop()
  fs.writeFileSync(w.at('stdout.jsonl'), out().join('\n') + '\n')
  const v = JSON.parse(run('audit', 'verify', w.at('stdout.jsonl'), '--key', key, '--json').out)
  assert.deepEqual([v.valid, v.ended_in_order], [true, true], JSON.stringify(v))
})

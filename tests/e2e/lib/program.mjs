// SPDX-License-Identifier: GPL-3.0-or-later
// Other programs: run to their end, or started and ended with the test.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { after } from 'node:test'
import { sallyport } from './files.mjs'

export function run(program, args, options = {}) {
  const result = spawnSync(program, args, { encoding: 'utf8', ...options })
  if (result.error) throw result.error
  return { status: result.status, out: result.stdout, err: result.stderr }
}

// The same while this process goes on: for programs that talk to servers in it.
export async function runBeside(program, args, { input, ...options } = {}) {
  const child = spawn(program, args, options)
  const result = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', text => { result.out += text })
  child.stderr.setEncoding('utf8').on('data', text => { result.err += text })
  child.stdin.end(input)
  return new Promise((resolve, reject) => child.on('error', reject).on('close', status => resolve({ status, ...result })))
}

// Runs a program that has to succeed; returns what it printed.
export function must(program, args, options) {
  const result = run(program, args, options)
  assert.equal(result.status, 0, `${program} ${args.join(' ')}\n${result.out}${result.err}`)
  return result.out
}

export const command = (...args) => must(sallyport, args)

const running = new Set()
process.on('exit', () => { for (const p of running) p.child.kill('SIGKILL') })

// A hook that throws keeps the later ones, and the rest of itself, from stopping what they would have stopped, and a file of tests that waits for
// ever holds up all others: it ends, and what it started with it, some time after its hooks have begun, and at the latest when no file should need as long.
function bound(ms, what) {
  setTimeout(() => {
    console.error(`${what}; still running: ${[...running].map(p => `${p.name} (pid ${p.pid})`).join(', ') || 'nothing'}; ${process.getActiveResourcesInfo().join(' ')}`)
    process.exitCode = 1
    dumpLogs(...running)
    process.exit()
  }, ms).unref()
}

if (process.env.NODE_TEST_CONTEXT) {
  bound(600_000, 'ten minutes are over')
  // This file is read before a test file's own code, so this is its first hook, and none that fails comes before it.
  after(() => {
    for (const { child } of running) for (const held of [child, child.stdout, child.stderr]) held?.unref?.()
    bound(60_000, 'the tests ended, something they started did not')
  })
}

// A program in the background. Its output is kept in `log`, and shown by dumpLogs.
export function start(name, program, args, options = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  const self = { name, child, pid: child.pid, log: '', code: undefined, signal: undefined }
  running.add(self)
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => { self.log += text })
  self.ended = new Promise(resolve => {
    child.on('close', (code, signal) => {
      Object.assign(self, { code, signal, over: true })
      running.delete(self)
      resolve(self)
    })
  })
  self.kill = signal => child.kill(signal)
  // SIGTERM, and SIGKILL for what does not end.
  self.stop = async (ms = 8000) => {
    if (self.over) return self
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), ms)
    await self.ended
    clearTimeout(timer)
    return self
  }
  return self
}

// Stops all of them, also when one did not end as it should, and then says so.
export async function stopAll(...things) {
  const ends = await Promise.allSettled(things.map(async thing => thing?.stop()))
  const bad = ends.find(end => end.status === 'rejected')
  if (bad) throw bad.reason
}

// What the programs of this file said, for the person who reads a failure.
export function dumpLogs(...programs) {
  if (!process.exitCode) return // which node's runner sets with the first failure
  for (const p of programs) if (p) console.error(`--- ${p.name} (${p.over ? `ended ${p.code ?? p.signal}` : `pid ${p.pid}`})\n${p.log.slice(-20000)}`)
}

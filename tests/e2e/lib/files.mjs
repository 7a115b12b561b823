// SPDX-License-Identifier: GPL-3.0-or-later
// Folders, ports, waiting: what every scenario needs around it.
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..')
export const sallyport = path.resolve(process.env.SALLYPORT_BIN ?? path.join(repository, 'build/sallyport'))

// A build with a sanitizer keeps freed memory back and is many times slower.
export const sanitised = fs.existsSync(sallyport) && ['__asan_init', '__tsan_init'].some(name => fs.readFileSync(sallyport).includes(name))

// A folder that goes away with the test process, whatever becomes of the tests.
export function temporary(name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `sallyport-${name}-`))
  if (!process.env.SALLYPORT_KEEP) process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

// Another name becomes the file in one step, as a careful operator would do it: a watcher never sees half of it.
export function replace(file, content) {
  fs.writeFileSync(`${file}.new`, content)
  fs.renameSync(`${file}.new`, file)
}

const listens = (port, keep) => new Promise(resolve => {
  const server = net.createServer(socket => socket.destroy()).once('error', () => resolve(false))
  server.listen(port, '127.0.0.1', () => keep ? resolve(server.unref()) : server.close(() => resolve(true)))
})

// Ports below those that the system gives to whoever asks for any, in ranges of which a process has the ones that it listens at the first port of, for
// as long as it lives: what is free in them, or will be again when a test has stopped a server, nobody else's test takes.
const FIRST = 10000, RANGE = 100, RANGES = 220
let range = process.pid % RANGES
let next = 0
let left = 0

async function ownRange() {
  for (let tries = 0; tries < RANGES; tries++) {
    const first = FIRST + range * RANGE
    range = (range + 1) % RANGES
    if (await listens(first, true)) return first
  }
  throw new Error('every range of ports is taken')
}

// One after the other, so that two who ask at once get two.
let given = Promise.resolve()
export function port() {
  const mine = given.then(async () => {
    for (;;) {
      if (left === 0) [next, left] = [await ownRange() + 1, RANGE - 1]
      left--
      const candidate = next++
      if (await listens(candidate)) return candidate
    }
  })
  given = mine.catch(() => {})
  return mine
}

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

// Polls until `probe` gives something true, and returns that.
export async function until(what, probe, ms = 10000) {
  const deadline = Date.now() + ms
  for (;;) {
    const value = await probe()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms for ${what}`)
    await sleep(20)
  }
}

// SPDX-License-Identifier: GPL-3.0-or-later
// A page of the documentation as a test runs it: the commands of its ```console blocks, in order, in one shell for each section, held against the output that
// the page shows; and the lines of its ```log blocks, which a process must have said. Numbers and identifiers are not compared, `…` stands for anything.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { repository, sallyport, until } from './files.mjs'

const normal = text => text
  .replace(/\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b[0-9a-f]{16,}\b/g, 'ID')
  .replace(/(?<![\w-])[\w-]{43}(?![\w-])/g, 'HASH') // may begin and end with a hyphen, which no \b is beside
  .replace(/\d+/g, 'N').replace(/[ \t]+/g, ' ').trimEnd()

const quote = text => text.split('…').map(piece => piece.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('.*')

function pattern(text) {
  const lines = normal(text).split('\n').map(line => line.trim() === '…' ? '(?:.*\n)*?' : `${quote(line)}\n`)
  return new RegExp(`^${lines.join('')}$`)
}

export const fits = (shown, got) => pattern(shown).test(`${normal(got)}\n`)

function parse(text) {
  const sections = new Map()
  let section = { title: '', steps: [] } // what stands before the first heading is for all sections
  let block
  sections.set('', section)
  for (const [number, line] of text.split('\n').entries()) {
    if (block) {
      if (line.startsWith('```')) {
        block = undefined
      } else if (block.kind === 'log') {
        block.lines.push(line)
      } else if (line.startsWith('$ ')) {
        section.steps.push(block.last = { kind: 'console', number: number + 1, command: line.slice(2), shown: [] })
      } else if (block.last && (line.startsWith('> ') || block.last.command.endsWith('\\'))) {
        block.last.command += `\n${line.replace(/^> /, '')}`
      } else {
        block.last.shown.push(line)
      }
    } else if (/^```(console|log)$/.test(line)) {
      block = { kind: line.slice(3), number: number + 1, lines: [] }
      if (block.kind === 'log') section.steps.push(block)
    } else if (line.startsWith('## ')) {
      sections.set(line.slice(3), section = { title: line.slice(3), steps: [] })
    }
  }
  return sections
}

export class Page {
  constructor(file) {
    this.file = path.join(repository, file)
    this.sections = parse(fs.readFileSync(this.file, 'utf8'))
    this.done = new Set()
    this.edits = []
    this.shells = new Set()
    process.on('exit', () => close(this))
  }

  // The section as it is run in `folder`. `names` are those of the page and what they are here, such as { 8443: 31234 }.
  open(title, folder, names) {
    const section = this.sections.get(title)
    assert.ok(section, `${this.file} has no section "${title}"`)
    this.done.add(title)
    return new Run(this, section, folder, names)
  }
}

// Ends what a test that failed has left.
export function close(page) {
  for (const shell of page.shells) {
    try {
      process.kill(-shell.pid, 'SIGKILL') // and what runs in its background
    } catch (error) {
      if (error.code !== 'ESRCH') throw error
    }
  }
}

class Run {
  constructor(page, section, folder, names) {
    Object.assign(this, { page, folder, names: Object.entries(names), steps: [...section.steps], text: '' })
    this.shell = spawn('bash', ['--norc'], { cwd: folder, detached: true, stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, PATH: `${folder}/bin:${process.env.PATH}`, NO_COLOR: '1' } })
    page.shells.add(this.shell)
    fs.mkdirSync(path.join(folder, 'bin'), { recursive: true })
    fs.rmSync(path.join(folder, 'bin/sallyport'), { force: true })
    fs.symlinkSync(sallyport, path.join(folder, 'bin/sallyport'))
    this.shell.stdout.setEncoding('utf8').on('data', text => { this.text += text })
    this.shell.stdin.write('exec 2>&1\n')
    for (const { command } of page.sections.get('').steps) this.shell.stdin.write(`${this.here(command)}\n`)
  }

  here(text) { return this.names.reduce((t, [there, here]) => t.replaceAll(there, here), text) }

  there(text) { return this.names.reduce((t, [there, here]) => t.replaceAll(here, there), text) }

  // Any words of a shell; what they printed. The status stays for the next ones to see as $?.
  async sh(words) {
    this.text = ''
    this.shell.stdin.write(`${this.here(words)}\n__status=$?; printf '\\n--over--\\n'; (exit $__status)\n`)
    const whole = await until(`the end of ${words}`, () => /\n--over--\n$/.test(this.text) && this.text, 30000)
    return this.there(whole.replace(/\n*--over--\n$/, ''))
  }

  take(kind) {
    const step = this.steps.shift()
    assert.equal(step?.kind, kind, `the next thing on the page, after all that was run, is ${step ? `a ${step.kind} of line ${step.number}` : 'the end of the section'}`)
    return step
  }

  // Runs the next command once, and holds what it prints against the page.
  async next() {
    const step = this.take('console')
    return this.hold(step, await this.sh(step.command))
  }

  // The next command again and again, until it prints what `wanted` (a pattern; without it, the page) says. For commands that only look.
  async until(wanted) {
    const step = this.take('console')
    let got = ''
    const good = () => wanted ? wanted.test(got) : fits(step.shown.join('\n'), got)
    await until(`line ${step.number} of the page`, async () => {
      got = await this.sh(step.command)
      return good()
    }, 20000).catch(error => { throw new Error(`${error.message}; it printed\n${got}`) })
    return this.hold(step, got)
  }

  // So many commands, each once.
  async run(count) { for (let i = 0; i < count; i++) await this.next() }

  // The next lines that a process is to have said.
  async log(...processes) {
    const step = this.take('log')
    const said = () => this.there(processes.map(p => p.log).join('\n').replaceAll(`${this.folder}/`, '')).split('\n')
    for (const line of step.lines) {
      const like = new RegExp(quote(normal(line)))
      await until(`the log to say, as line ${step.number} and on: ${line}`, () => said().some(l => like.test(normal(l))), 20000)
    }
  }

  hold(step, got) {
    if (process.env.SALLYPORT_UPDATE_DOCS && !fits(step.shown.join('\n'), got)) this.rewrite(step, got)
    else assert.ok(fits(step.shown.join('\n'), got), `line ${step.number}: $ ${step.command}\nprinted\n${got}\nand the page shows\n${step.shown.join('\n')}`)
    return got
  }

  // Puts what was printed under the command, for the writer of the page to look at and to shorten.
  rewrite(step, got) {
    const lines = fs.readFileSync(this.page.file, 'utf8').split('\n')
    const behind = step.number + step.command.split('\n').length - 1 + this.page.edits.filter(e => e.at < step.number).reduce((sum, e) => sum + e.grown, 0)
    const fresh = got ? got.replaceAll(`${this.folder}/`, '').split('\n') : []
    lines.splice(behind, step.shown.length, ...fresh)
    this.page.edits.push({ at: step.number, grown: fresh.length - step.shown.length })
    fs.writeFileSync(this.page.file, lines.join('\n'))
  }

  // All of the section was run; what the page promises and no test looks at would be left.
  end() {
    this.shell.stdin.end()
    assert.deepEqual(this.steps.map(s => s.number), [], 'lines of the page that were not run')
  }
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** The desktop's: dates, times and numbers are written as everywhere else there. Words are English. */
const locale = desktopLocale()

// Each loads tables of its own; the first page needs few of them.
const relative = onceAsked(() => new Intl.RelativeTimeFormat('en', { numeric: 'auto' }))
const exact = onceAsked(() => new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' }))
const day = onceAsked(() => new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }))
const clock = onceAsked(() => new Intl.DateTimeFormat(locale, { timeStyle: 'short' }))
const second = onceAsked(() => new Intl.DateTimeFormat(locale, { timeStyle: 'medium' }))
const short = onceAsked(() => new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' }))
const weekday = onceAsked(() => new Intl.DateTimeFormat(locale, { dateStyle: 'full' }))
const number = onceAsked(() => new Intl.NumberFormat(locale))

/** A locale that `Intl` refuses, as "C", is English. */
function desktopLocale(): string {
  try {
    return new Intl.DateTimeFormat().resolvedOptions().locale
  } catch {
    return 'en'
  }
}

/** "3 minutes ago", "in 12 days". */
export function ago(at: number, now: number): string {
  const ms = at - now
  const size = Math.abs(ms)
  if (size < MINUTE) return ms > 0 ? 'in a moment' : 'just now'
  if (size < HOUR) return relative().format(Math.trunc(ms / MINUTE), 'minute')
  if (size < DAY) return relative().format(Math.trunc(ms / HOUR), 'hour')
  return relative().format(ms > 0 ? Math.ceil(ms / DAY) : Math.trunc(ms / DAY), 'day')
}

export const exactTime = (at: number) => exact().format(at)
export const dayOf = (at: number) => day().format(at)
export const shortDay = (at: number) => short().format(at)
export const weekdayOf = (at: number) => weekday().format(at)
export const secondsTime = (at: number) => second().format(at)
export const clockTime = (at: number) => clock().format(at)
export const grouped = (value: number) => number().format(value)

/** "84 days", "5 hours"; `null`: without an end. */
export function daysLeft(end: number | null, now: number): string | null {
  if (end === null) return null
  const left = Math.max(0, end - now)
  const [count, unit] = left >= DAY ? [Math.round(left / DAY), 'day'] : [Math.floor(left / HOUR), 'hour']
  return `${grouped(count)} ${unit}${count === 1 ? '' : 's'}`
}

/** The last millisecond of the local day in an `<input type="date">`. */
export function endOfDay(date: string): number | null {
  const [year, month, dayOfMonth] = date.split('-').map(Number)
  if (!year || !month || !dayOfMonth) return null
  return new Date(year, month - 1, dayOfMonth + 1).getTime() - 1
}

/** The first millisecond of that day. */
export function startOfDay(date: string): number | null {
  const end = endOfDay(date)
  return end === null ? null : new Date(end).setHours(0, 0, 0, 0)
}

/** A local day as `<input type="date">` writes it. */
export function dateInput(at: number): string {
  const date = new Date(at)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

/** Made when it is asked for, and kept. */
function onceAsked<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

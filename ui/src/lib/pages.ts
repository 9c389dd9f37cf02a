import { AppWindow, History, KeyRound, SlidersHorizontal, Wrench } from '@lucide/svelte'
import type { Fix } from './backend/backend'
import { text } from './text/en'

export const pages = [
  { name: 'keys', title: text.pages.keys, icon: KeyRound },
  { name: 'integrations', title: text.pages.integrations, icon: AppWindow },
  { name: 'tools', title: text.pages.tools, icon: Wrench },
  { name: 'activity', title: text.pages.activity, icon: History },
  { name: 'preferences', title: text.pages.preferences, icon: SlidersHorizontal },
] as const

export type PageName = (typeof pages)[number]['name']

export const isPage = (name: unknown): name is PageName => pages.some((page) => page.name === name)

/** Whoever wants something fixed comes to the page that does it; that page takes it up. */
export const pageOf: Record<Fix['kind'], PageName> = {
  create_key: 'keys',
  show_usage: 'keys',
  edit_integration: 'integrations',
  show_integrations: 'integrations',
  sign_in_again: 'tools',
  show_tools: 'tools',
  show_approvals: 'tools',
  show_preferences: 'preferences',
  show_hosts: 'preferences',
  resume: 'preferences',
  self_check: 'preferences',
}

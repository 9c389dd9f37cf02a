import {
  type Backend,
  type Draft,
  type ErrorView,
  type SecretRequest,
  type StepReport,
  errorView,
} from '../../lib/backend/backend'

/** One run of the preflight, step by step. */
export class Preflight {
  steps = $state<StepReport[]>([])
  running = $state(false)
  passed = $state<boolean | null>(null)
  error = $state<ErrorView | null>(null)

  constructor(readonly backend: Backend) {}

  /** The first step that failed, and why. */
  get failed() {
    for (const { step, state } of this.steps) if (state.state === 'failed') return { step, ...state.failure }
    return null
  }

  /** What was typed since makes the answers worthless. */
  forget() {
    this.steps = []
    this.passed = null
    this.error = null
  }

  /** Returns whether the steps were run, whatever came of them. */
  async run(draft: Draft, secret: SecretRequest): Promise<boolean> {
    this.forget()
    this.running = true
    try {
      this.passed = await this.backend.preflight(draft, secret, (report) => this.#hear(report))
      return true
    } catch (thrown) {
      this.error = errorView(thrown)
      return false
    } finally {
      this.running = false
    }
  }

  #hear(report: StepReport) {
    const at = this.steps.findIndex(({ step }) => step === report.step)
    if (at < 0) this.steps.push(report)
    else this.steps[at] = report
  }
}

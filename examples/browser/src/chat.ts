import { element, fill, show } from './elements.js'

interface Message {
  readonly role: 'user' | 'assistant'
  readonly content: string
}

const SIDES = ['left', 'right'] as const
const TOKENS = 256

/** The data of server-sent events, one by one as they come. */
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = ''
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader()
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const parts = (rest + read.value).split('\n\n')
    rest = parts.pop()!
    for (const part of parts) if (part.startsWith('data: ')) yield part.slice('data: '.length)
  }
}

/** Asks a model of the server for the next message and shows it as it comes. */
const answer = async (model: string, messages: readonly Message[], place: HTMLElement): Promise<string> => {
  const body = JSON.stringify({ model, messages, stream: true, temperature: 0, max_tokens: TOKENS })
  const response = await fetch('v1/chat/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  if (!response.ok) throw new Error(((await response.json()) as { error: { message: string } }).error.message)
  let text = ''
  for await (const data of events(response.body!)) {
    if (data === '[DONE]') break
    const piece = (JSON.parse(data) as { choices: { delta: { content?: string } }[] }).choices[0]?.delta.content ?? ''
    text += piece
    place.append(piece)
  }
  return text
}

/** The chat of a page that `tersor serve` serves: two of its models answer the same message. A page by itself asks nobody. */
export const offerChat = async (): Promise<void> => {
  if (!document.documentElement.hasAttribute('data-server')) return
  const { data } = (await (await fetch('v1/models')).json()) as { data: { id: string }[] }
  const names = data.map(({ id }) => id)
  const histories: Record<(typeof SIDES)[number], Message[]> = { left: [], right: [] }
  SIDES.forEach((side, i) => {
    fill(side, names, names[Math.min(i, names.length - 1)])
    const caption = (): void => void (element(`${side}-name`).textContent = element<HTMLSelectElement>(side).value)
    element(side).onchange = () => {
      histories[side] = []
      element(`${side}-text`).textContent = ''
      caption()
    }
    caption()
  })
  const say = async (side: (typeof SIDES)[number], content: string): Promise<void> => {
    const place = element(`${side}-text`)
    place.append(`${place.textContent ? '\n\n' : ''}› ${content}\n`)
    histories[side].push({ role: 'user', content })
    const text = await answer(element<HTMLSelectElement>(side).value, histories[side], place).catch((error: Error) => {
      place.append(error.message)
      return ''
    })
    histories[side].push({ role: 'assistant', content: text })
  }
  element<HTMLFormElement>('chat-form').onsubmit = async event => {
    event.preventDefault()
    const input = element<HTMLInputElement>('message')
    const content = input.value.trim()
    if (content === '') return
    input.value = ''
    for (const side of SIDES) await say(side, content)
  }
  show('chat', names.length > 0)
}

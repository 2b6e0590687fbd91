/** Lines of a text within a width, the first after `first` columns, all others after `indent`; words longer than that stand alone. */
export const wrapped = (text: string, width: number, indent = 0, first = indent): string => {
  const lines: string[] = []
  let line = ' '.repeat(first)
  let isBare = true
  for (const word of text.split(/\s+/).filter(each => each !== '')) {
    if (!isBare && line.length + 1 + word.length > width) {
      lines.push(line)
      line = ' '.repeat(indent)
      isBare = true
    }
    line += `${isBare ? '' : ' '}${word}`
    isBare = false
  }
  return [...lines, line].join('\n')
}

import { plotOf } from './plot.js'

it('draws without a browser, in the colours of the page', async () => {
  const spec = {
    data: { values: [{ a: 'model.layers.0 <b>', b: 3 }] },
    mark: 'bar',
    encoding: { x: { field: 'a', type: 'nominal' }, y: { field: 'b', type: 'quantitative' } },
  }
  const svg = await plotOf(spec, 'errors "of" layers')
  expect(svg).toMatch(/^<svg role="img" aria-label="errors of layers" /)
  expect(svg).toContain('currentColor')
  expect(svg).toContain('model.layers.0 &lt;b&gt;')
  expect(svg).not.toMatch(/#010203|<script|<b>/)
})

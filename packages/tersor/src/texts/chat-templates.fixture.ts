/** Templates of the four usual shapes, as models bring them: marks of turns, headers, brackets, and one that reads the day. */
export const TEMPLATES = {
  marks: `{%- for message in messages -%}
    {%- if loop.first and message['role'] != 'system' -%}
        {{- '<|im_start|>system\\nYou help.<|im_end|>\\n' -}}
    {%- endif -%}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}`,
  headers: `{{ bos_token }}
{% for message in messages %}
    {% if message.role == 'user' %}
<|user|>
{{ message.content | trim }}{{ eos_token }}
    {% elif message.role == 'assistant' %}
<|assistant|>
{{ message.content | trim }}{{ eos_token }}
    {% else %}
<|{{ message.role }}|>
{{ message.content }}{{ eos_token }}
    {% endif %}
{% endfor %}`,
  brackets: `{{ bos_token }}{% set ns = namespace(system='') %}{% if messages[0]['role'] == 'system' %}{% set ns.system = messages[0]['content'] + '\\n\\n' %}{% set messages = messages[1:] %}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate.') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + ns.system + message['content'] + ' [/INST]' }}{% set ns.system = '' %}{% else %}{{ ' ' + message['content'].strip() + eos_token }}{% endif %}{% endfor %}`,
  day: `{%- if strftime_now is defined %}{%- set day = strftime_now('%d %b %Y') %}{%- else %}{%- set day = '26 Jul 2024' %}{%- endif %}{{- bos_token + 'Today: ' + day + '\\n' }}{%- if tools is not none %}{{- 'tools' }}{%- endif %}{%- for message in messages %}{{- message.role ~ ': ' ~ message.content | upper ~ '\\n' }}{%- endfor %}`,
} as const

export const CHATS = {
  short: [
    { role: 'user', content: 'Who? ' },
    { role: 'assistant', content: ' The man.' },
  ],
  long: [
    { role: 'system', content: 'Be kind.' },
    { role: 'user', content: 'É la mer?' },
    { role: 'assistant', content: 'Yes.\n' },
    { role: 'user', content: '{{ "no" }}' },
  ],
} as const

/** What `apply_chat_template` of transformers 5.18.0 gives with the byte tokenizer, on 26 July 2024. */
export const IDS: Readonly<Record<string, readonly number[]>> = {
  // prettier-ignore
  'marks short': [60, 124, 105, 109, 95, 115, 116, 97, 114, 116, 124, 62, 115, 121, 115, 116, 101, 109, 10, 89, 111, 117, 32, 104, 101, 108, 112, 46, 60, 124, 105, 109, 95, 101, 110, 100, 124, 62, 10, 60, 124, 105, 109, 95, 115, 116, 97, 114, 116, 124, 62, 117, 115, 101, 114, 10, 87, 104, 111, 63, 32, 60, 124, 105, 109, 95, 101, 110, 100, 124, 62, 10, 60, 124, 105, 109, 95, 115, 116, 97, 114, 116, 124, 62, 97, 115, 115, 105, 115, 116, 97, 110, 116, 10, 32, 84, 104, 101, 32, 109, 97, 110, 46, 60, 124, 105, 109, 95, 101, 110, 100, 124, 62, 10],
  // prettier-ignore
  'marks long': [60, 124, 105, 109, 95, 115, 116, 97, 114, 116, 124, 62, 115, 121, 115, 116, 101, 109, 10, 66, 101, 32, 107, 105, 110, 100, 46, 60, 124, 105, 109, 95, 101, 110, 100, 124, 62, 10, 60, 124, 105, 109, 95, 115, 116, 97, 114, 116, 124, 62, 117, 115, 101, 114, 10, 195, 137, 32, 108, 97, 32, 109, 101, 114, 63, 60, 124, 105, 109, 95, 101, 110, 100, 124, 62, 10, 60, 124, 105, 109, 95, 115, 116, 97, 114, 116, 124, 62, 97, 115, 115, 105, 115, 116, 97, 110, 116, 10, 89, 101, 115, 46, 10, 60, 124, 105, 109, 95, 101, 110, 100, 124, 62, 10, 60, 124, 105, 109, 95, 115, 116, 97, 114, 116, 124, 62, 117, 115, 101, 114, 10, 123, 123, 32, 34, 110, 111, 34, 32, 125, 125, 60, 124, 105, 109, 95, 101, 110, 100, 124, 62, 10],
  // prettier-ignore
  'headers short': [256, 10, 60, 124, 117, 115, 101, 114, 124, 62, 10, 87, 104, 111, 63, 256, 10, 60, 124, 97, 115, 115, 105, 115, 116, 97, 110, 116, 124, 62, 10, 84, 104, 101, 32, 109, 97, 110, 46, 256, 10],
  // prettier-ignore
  'headers long': [256, 10, 60, 124, 115, 121, 115, 116, 101, 109, 124, 62, 10, 66, 101, 32, 107, 105, 110, 100, 46, 256, 10, 60, 124, 117, 115, 101, 114, 124, 62, 10, 195, 137, 32, 108, 97, 32, 109, 101, 114, 63, 256, 10, 60, 124, 97, 115, 115, 105, 115, 116, 97, 110, 116, 124, 62, 10, 89, 101, 115, 46, 256, 10, 60, 124, 117, 115, 101, 114, 124, 62, 10, 123, 123, 32, 34, 110, 111, 34, 32, 125, 125, 256, 10],
  // prettier-ignore
  'brackets short': [256, 91, 73, 78, 83, 84, 93, 32, 87, 104, 111, 63, 32, 32, 91, 47, 73, 78, 83, 84, 93, 32, 84, 104, 101, 32, 109, 97, 110, 46, 256],
  // prettier-ignore
  'brackets long': [256, 91, 73, 78, 83, 84, 93, 32, 66, 101, 32, 107, 105, 110, 100, 46, 10, 10, 195, 137, 32, 108, 97, 32, 109, 101, 114, 63, 32, 91, 47, 73, 78, 83, 84, 93, 32, 89, 101, 115, 46, 256, 91, 73, 78, 83, 84, 93, 32, 123, 123, 32, 34, 110, 111, 34, 32, 125, 125, 32, 91, 47, 73, 78, 83, 84, 93],
  // prettier-ignore
  'day short': [256, 84, 111, 100, 97, 121, 58, 32, 50, 54, 32, 74, 117, 108, 32, 50, 48, 50, 52, 10, 117, 115, 101, 114, 58, 32, 87, 72, 79, 63, 32, 10, 97, 115, 115, 105, 115, 116, 97, 110, 116, 58, 32, 32, 84, 72, 69, 32, 77, 65, 78, 46, 10],
  // prettier-ignore
  'day long': [256, 84, 111, 100, 97, 121, 58, 32, 50, 54, 32, 74, 117, 108, 32, 50, 48, 50, 52, 10, 115, 121, 115, 116, 101, 109, 58, 32, 66, 69, 32, 75, 73, 78, 68, 46, 10, 117, 115, 101, 114, 58, 32, 195, 137, 32, 76, 65, 32, 77, 69, 82, 63, 10, 97, 115, 115, 105, 115, 116, 97, 110, 116, 58, 32, 89, 69, 83, 46, 10, 10, 117, 115, 101, 114, 58, 32, 123, 123, 32, 34, 78, 79, 34, 32, 125, 125, 10],
}

import { z } from 'zod';
import { checkTags } from '../storage/attributes.ts';
import { receiveDocument, xmlReply, type Call, type Reply } from '../http/call.ts';
import { branch, leaf, result } from '../http/xml.ts';

const Tagging = z.object({
  Tagging: z.object({
    TagSet: z.union([
      z.object({ Tag: z.array(z.object({ Key: z.string(), Value: z.string() })) }),
      z.literal(''),
    ]),
  }),
});

export function getTagging({ table, bucket, key }: Call): Reply {
  const { tags } = table.object(bucket, key).attributes;
  return xmlReply(
    result(
      'Tagging',
      branch(
        'TagSet',
        ...Object.entries(tags).map(([name, value]) =>
          branch('Tag', leaf('Key', name), leaf('Value', value)),
        ),
      ),
    ),
  );
}

export async function putTagging(call: Call): Promise<Reply> {
  const { TagSet: set } = (await receiveDocument(call, Tagging)).Tagging;
  setTags(call, checkTags(set === '' ? [] : set.Tag.map(({ Key, Value }) => [Key, Value])));
  return { status: 200 };
}

export function deleteTagging(call: Call): Reply {
  setTags(call, {});
  return { status: 204 };
}

function setTags({ table, bucket, key }: Call, tags: Record<string, string>): void {
  const object = table.object(bucket, key);
  table.commit({
    type: 'object-put',
    bucket,
    object: { ...object, attributes: { ...object.attributes, tags } },
  });
}

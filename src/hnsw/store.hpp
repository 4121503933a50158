// Writing pages: room for nodes, upper links and payloads, and the meta page. Every change is one
// generic WAL record.
#pragma once

#include "hnsw/page.hpp"
#include "hnsw/walk.hpp"

namespace helios::hnsw {

// Everything that a new node's slot holds.
struct NewNode {
  ItemPointerData tid;
  NodeState state;
  int level;
  PageFormat format;
  const uint8 *code;  // of the format
  uint32 code_bytes;
  uint32 head;        // of a duplicate: the node whose chain it joins
  const uint8 *copy;  // scalar copy, null when there is none
  uint32 copy_bytes;
  const uint32 *links[kMaxGraphLevel + 1];
  int counts[kMaxGraphLevel + 1];
};

// Writes a node into a free slot, extending the index when there is none, and returns its id.
uint32 StoreNode(const IndexHandle &index, const NewNode &node);

// Replaces a node's links on a level if they still are `expected`; false when they changed
// meanwhile.
bool ReplaceLinks(const IndexHandle &index, uint32 node, int level, const uint32 *expected,
                  int expected_count, const uint32 *links, int count);

// Puts `duplicate` at the head of the chain of `node`; false when that node is not live any more.
bool ChainDuplicate(const IndexHandle &index, uint32 node, uint32 duplicate);

// Makes a node the entry point, if it is higher than the present one or `replace` says so.
void SetEntry(const IndexHandle &index, uint32 node, int level, bool replace);

// Stores bytes as a chain of payload items while the page of block `held` is locked, reusing
// `reuse` when it has the room; returns the first item.
ItemPointerData StorePayload(const IndexHandle &index, BlockNumber held, const uint8 *first,
                             uint32 first_bytes, const uint8 *second, uint32 second_bytes,
                             ItemPointerData reuse);

// Publishes a trained model: from now on new nodes are stored in the index's own format.
void SetModel(Relation rel, BlockNumber block, uint32 bytes);

// Records that every page is in the index's own format.
void SetConverted(Relation rel);

}  // namespace helios::hnsw

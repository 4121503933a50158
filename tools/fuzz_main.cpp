// Drives a libFuzzer entry point without libFuzzer: replays a corpus, then deterministic mutations of it.
//
//   program RUNS CORPUS_DIRECTORY    RUNS mutated inputs after every file of the corpus
//   program FILE                     one input, to look at a failure
//
// An input that ends the process is left in the file crash.<program> of the working directory.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <sanitizer/common_interface_defs.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

constexpr size_t kMaxInputBytes = 1 << 16;
constexpr uint32_t kSeed = 20240229;

// Values at which decoders go wrong: zero, sign bits, all ones, powers of two.
constexpr uint8_t kEdgeBytes[] = {0x00, 0x01, 0x10, 0x20, 0x40, 0x7f, 0x80, 0xff};

const Bytes *current_input;
std::string crash_path;

// Reads a whole file.
Bytes ReadFile(const fs::path &path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

// Leaves the input being run where a developer finds it; the sanitizers call this before they abort.
void SaveCurrentInput() {
  if (current_input == nullptr) return;
  std::ofstream out(crash_path, std::ios::binary);
  out.write(reinterpret_cast<const char *>(current_input->data()),
            static_cast<std::streamsize>(current_input->size()));
  std::fprintf(stderr, "input saved in %s\n", crash_path.c_str());
}

// Hands the decoder an exactly sized heap copy, so that one byte too far is seen.
void Run(const Bytes &input) {
  current_input = &input;
  const Bytes exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  current_input = nullptr;
}

// Changes a few places of an input: flips a bit, sets an edge value, cuts, grows, repeats a piece, or
// splices in a piece of another input.
void Mutate(Bytes *input, const Bytes &other, std::mt19937 *random) {
  const auto below = [random](size_t n) { return n == 0 ? 0 : (*random)() % n; };
  for (size_t steps = 1 + below(4); steps > 0; --steps) {
    const size_t at = below(input->size());
    switch (input->empty() ? 3 : below(6)) {
      case 0:
        (*input)[at] ^= static_cast<uint8_t>(1u << below(8));
        break;
      case 1:
        (*input)[at] = kEdgeBytes[below(std::size(kEdgeBytes))];
        break;
      case 2:
        input->resize(at);
        break;
      case 3:
        input->insert(input->begin() + static_cast<std::ptrdiff_t>(at), 1 + below(16),
                      kEdgeBytes[below(std::size(kEdgeBytes))]);
        break;
      case 4: {
        const Bytes piece(input->begin() + static_cast<std::ptrdiff_t>(at), input->end());
        input->insert(input->end(), piece.begin(), piece.end());
        break;
      }
      default:
        if (!other.empty()) {
          const size_t from = below(other.size());
          input->resize(at);
          input->insert(input->end(), other.begin() + static_cast<std::ptrdiff_t>(from),
                        other.end());
        }
    }
  }
  if (input->size() > kMaxInputBytes) input->resize(kMaxInputBytes);
}

}  // namespace

int main(int argc, char **argv) {
  crash_path = "crash." + fs::path(argv[0]).filename().string();
  __sanitizer_set_death_callback(SaveCurrentInput);
  if (argc == 2) {
    Run(ReadFile(argv[1]));
    return EXIT_SUCCESS;
  }
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s RUNS CORPUS_DIRECTORY | FILE\n", argv[0]);
    return EXIT_FAILURE;
  }

  std::vector<fs::path> paths;
  if (fs::is_directory(argv[2])) {
    for (const auto &entry : fs::directory_iterator(argv[2])) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> corpus = {Bytes()};
  for (const auto &path : paths) corpus.push_back(ReadFile(path));
  for (const Bytes &input : corpus) Run(input);

  const long runs = std::strtol(argv[1], nullptr, 10);
  std::mt19937 random(kSeed);
  for (long i = 0; i < runs; ++i) {
    Bytes input = corpus[random() % corpus.size()];
    Mutate(&input, corpus[random() % corpus.size()], &random);
    Run(input);
  }
  std::printf("%zu corpus inputs, %ld mutations\n", corpus.size(), runs);
  return EXIT_SUCCESS;
}

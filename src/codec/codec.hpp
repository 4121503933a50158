// The door of the codecs for rooms that talk to the server: the same as for kernels.
#pragma once

#include "codec/core/codec.hpp"

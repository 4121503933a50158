// Functions of type vector that compute; the bodies are in distance_ops.hpp and dense_ops.hpp.
#include "vector/dense_ops.hpp"
#include "vector/distance_ops.hpp"

namespace helios::vector {

HELIOS_FUNCTION(l2_distance) { return L2Distance<Vector>(fcinfo); }
HELIOS_FUNCTION(vector_l2_squared_distance) { return L2SquaredDistance<Vector>(fcinfo); }
HELIOS_FUNCTION(inner_product) { return InnerProduct<Vector>(fcinfo); }
HELIOS_FUNCTION(vector_negative_inner_product) { return NegativeInnerProduct<Vector>(fcinfo); }
HELIOS_FUNCTION(cosine_distance) { return CosineDistance<Vector>(fcinfo); }
HELIOS_FUNCTION(vector_spherical_distance) { return SphericalDistance<Vector>(fcinfo); }
HELIOS_FUNCTION(l1_distance) { return L1Distance<Vector>(fcinfo); }

HELIOS_FUNCTION(vector_dims) { PG_RETURN_INT32(Argument<Vector>(fcinfo, 0)->dim); }
HELIOS_FUNCTION(vector_norm) { PG_RETURN_FLOAT8(Norm(Argument<Vector>(fcinfo, 0))); }
HELIOS_FUNCTION(l2_normalize) { return L2Normalize<Vector>(fcinfo); }
HELIOS_FUNCTION(binary_quantize) { return BinaryQuantize<Vector>(fcinfo); }
HELIOS_FUNCTION(subvector) { return Subvector<Vector>(fcinfo); }

HELIOS_FUNCTION(vector_add) { return Add<Vector>(fcinfo); }
HELIOS_FUNCTION(vector_sub) { return Subtract<Vector>(fcinfo); }
HELIOS_FUNCTION(vector_mul) { return Multiply<Vector>(fcinfo); }
HELIOS_FUNCTION(vector_concat) { return Concat<Vector>(fcinfo); }

HELIOS_FUNCTION(vector_lt) { PG_RETURN_BOOL(CompareArguments<Vector>(fcinfo) < 0); }
HELIOS_FUNCTION(vector_le) { PG_RETURN_BOOL(CompareArguments<Vector>(fcinfo) <= 0); }
HELIOS_FUNCTION(vector_eq) { PG_RETURN_BOOL(CompareArguments<Vector>(fcinfo) == 0); }
HELIOS_FUNCTION(vector_ne) { PG_RETURN_BOOL(CompareArguments<Vector>(fcinfo) != 0); }
HELIOS_FUNCTION(vector_ge) { PG_RETURN_BOOL(CompareArguments<Vector>(fcinfo) >= 0); }
HELIOS_FUNCTION(vector_gt) { PG_RETURN_BOOL(CompareArguments<Vector>(fcinfo) > 0); }
HELIOS_FUNCTION(vector_cmp) { PG_RETURN_INT32(CompareArguments<Vector>(fcinfo)); }

}  // namespace helios::vector

// Functions of type halfvec that compute; the bodies are in distance_ops.hpp and dense_ops.hpp.
#include "vector/dense_ops.hpp"
#include "vector/distance_ops.hpp"

namespace helios::vector {

HELIOS_FUNCTION(halfvec_l2_distance) { return L2Distance<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_l2_squared_distance) { return L2SquaredDistance<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_inner_product) { return InnerProduct<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_negative_inner_product) { return NegativeInnerProduct<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_cosine_distance) { return CosineDistance<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_spherical_distance) { return SphericalDistance<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_l1_distance) { return L1Distance<HalfVector>(fcinfo); }

HELIOS_FUNCTION(halfvec_vector_dims) { PG_RETURN_INT32(Argument<HalfVector>(fcinfo, 0)->dim); }
HELIOS_FUNCTION(halfvec_l2_norm) { PG_RETURN_FLOAT8(Norm(Argument<HalfVector>(fcinfo, 0))); }
HELIOS_FUNCTION(halfvec_l2_normalize) { return L2Normalize<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_binary_quantize) { return BinaryQuantize<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_subvector) { return Subvector<HalfVector>(fcinfo); }

HELIOS_FUNCTION(halfvec_add) { return Add<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_sub) { return Subtract<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_mul) { return Multiply<HalfVector>(fcinfo); }
HELIOS_FUNCTION(halfvec_concat) { return Concat<HalfVector>(fcinfo); }

HELIOS_FUNCTION(halfvec_lt) { PG_RETURN_BOOL(CompareArguments<HalfVector>(fcinfo) < 0); }
HELIOS_FUNCTION(halfvec_le) { PG_RETURN_BOOL(CompareArguments<HalfVector>(fcinfo) <= 0); }
HELIOS_FUNCTION(halfvec_eq) { PG_RETURN_BOOL(CompareArguments<HalfVector>(fcinfo) == 0); }
HELIOS_FUNCTION(halfvec_ne) { PG_RETURN_BOOL(CompareArguments<HalfVector>(fcinfo) != 0); }
HELIOS_FUNCTION(halfvec_ge) { PG_RETURN_BOOL(CompareArguments<HalfVector>(fcinfo) >= 0); }
HELIOS_FUNCTION(halfvec_gt) { PG_RETURN_BOOL(CompareArguments<HalfVector>(fcinfo) > 0); }
HELIOS_FUNCTION(halfvec_cmp) { PG_RETURN_INT32(CompareArguments<HalfVector>(fcinfo)); }

}  // namespace helios::vector

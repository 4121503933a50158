#include "hybrid/published.hpp"

extern "C" {
#include "access/xlog.h"
#include "catalog/catalog.h"
#include "catalog/pg_publication.h"
#include "utils/relcache.h"
}
#undef Min
#undef Max
#undef Abs

namespace helios::hybrid {

void RefuseIfPublished(Relation rel, CmdType command) {
  if (!RelationIsLogicallyLogged(rel)) return;
  PublicationDesc description;
  RelationBuildPublicationDesc(rel, &description);
  const bool published =
      command == CMD_UPDATE ? description.pubactions.pubupdate : description.pubactions.pubdelete;
  if (!published) return;
  ereport(
      ERROR,
      (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
       errmsg("cannot %s a cold row of table \"%s\", which is published",
              command == CMD_UPDATE ? "update" : "delete", RelationGetRelationName(rel)),
       errdetail("Logical replication does not carry changes of cold rows."),
       errhint("Make the rows hot again with heliosdb.move_to_hot(), or take the table out of the "
               "publication.")));
}

}  // namespace helios::hybrid

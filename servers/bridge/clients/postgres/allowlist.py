"""What the SQL door allows: kinds of syntax, functions and types. Whatever is not here is refused.

Nothing here reads files, settings, sessions or other people's statements, waits, locks or writes.
"""

NODES = frozenset(
    """
    RawStmt SelectStmt ExplainStmt DefElem ResTarget ColumnRef A_Star A_Const Integer Float String Boolean
    BitString ParamRef A_Expr BoolExpr NullTest BooleanTest TypeCast TypeName CaseExpr CaseWhen CoalesceExpr
    MinMaxExpr SubLink FuncCall A_ArrayExpr A_Indirection A_Indices RowExpr SortBy WindowDef WithClause
    CommonTableExpr JoinExpr RangeVar RangeSubselect RangeFunction Alias GroupingSet GroupingFunc
    SQLValueFunction CollateClause CTESearchClause CTECycleClause ColumnDef RangeTableSample NamedArgExpr
    JsonIsPredicate JsonFuncExpr JsonValueExpr JsonFormat JsonReturning JsonOutput JsonBehavior JsonArgument
    JsonObjectConstructor JsonArrayConstructor JsonArrayQueryConstructor JsonObjectAgg JsonArrayAgg
    JsonAggConstructor JsonKeyValue JsonParseExpr JsonScalarExpr JsonSerializeExpr JsonTable JsonTableColumn
    JsonTablePathSpec
    """.split()
)

FUNCTIONS = frozenset(
    """
    count sum avg min max stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop
    covar_samp regr_slope regr_intercept regr_r2 regr_count bool_and bool_or every any_value mode
    percentile_cont percentile_disc string_agg array_agg json_agg jsonb_agg json_object_agg
    jsonb_object_agg bit_and bit_or row_number rank dense_rank percent_rank cume_dist ntile lag lead
    first_value last_value nth_value abs ceil ceiling floor round trunc sign sqrt cbrt exp ln log log10
    power pow mod div gcd lcm pi degrees radians sin cos tan asin acos atan atan2 sinh cosh tanh greatest
    least width_bucket random lower upper initcap length char_length character_length octet_length
    bit_length substr substring left right btrim ltrim rtrim trim position strpos overlay replace
    translate reverse concat concat_ws split_part starts_with ascii chr md5 sha224 sha256 sha384 sha512
    encode decode to_hex quote_literal quote_ident quote_nullable regexp_count regexp_instr regexp_like
    regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr
    string_to_array string_to_table unaccent normalize is_normalized like_escape similar_to_escape soundex
    levenshtein similarity unistr to_char to_number to_date to_timestamp now date_part date_trunc date_bin
    extract age make_date make_time make_timestamp make_timestamptz make_interval justify_days
    justify_hours justify_interval isfinite clock_timestamp statement_timestamp transaction_timestamp
    timezone overlaps generate_series unnest array_length array_position array_positions array_to_string
    array_append array_cat array_prepend array_remove array_replace array_ndims array_dims array_lower
    array_upper cardinality generate_subscripts trim_array array_sample array_shuffle to_json to_jsonb
    row_to_json array_to_json json_build_object jsonb_build_object json_build_array jsonb_build_array
    json_object jsonb_object json_array_length jsonb_array_length json_array_elements jsonb_array_elements
    json_array_elements_text jsonb_array_elements_text json_each jsonb_each json_each_text jsonb_each_text
    json_object_keys jsonb_object_keys json_extract_path jsonb_extract_path json_extract_path_text
    jsonb_extract_path_text json_typeof jsonb_typeof json_strip_nulls jsonb_strip_nulls jsonb_set
    jsonb_set_lax jsonb_insert jsonb_pretty jsonb_path_exists jsonb_path_match jsonb_path_query
    jsonb_path_query_array jsonb_path_query_first json_to_record jsonb_to_record json_to_recordset
    jsonb_to_recordset to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery
    ts_rank ts_rank_cd ts_headline numnode setweight tsvector_to_array strip lower_inc upper_inc isempty
    range_merge int4range int8range numrange tsrange tstzrange daterange num_nulls num_nonnulls nullif
    coalesce gen_random_uuid uuidv4 uuidv7 scale min_scale trim_scale factorial bit_count get_byte get_bit
    cosine_distance l2_distance inner_product l1_distance vector_dims vector_norm subvector l2_normalize
    binary_quantize hamming_distance jaccard_distance word_similarity strict_word_similarity metaphone
    date time timestamp timestamptz interval text int2 int4 int8 float4 float8 numeric bool varchar
    date_add date_subtract make_timestamptz timeofday uuid_extract_timestamp uuid_extract_version
    json_agg_strict jsonb_agg_strict json_object_agg_strict jsonb_object_agg_strict json_object_agg_unique
    jsonb_object_agg_unique bit_xor range_agg range_intersect_agg regr_avgx regr_avgy regr_sxx regr_sxy
    regr_syy jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_tz jsonb_path_query_array_tz
    jsonb_path_query_first_tz jsonb_delete_path jsonb_concat array_reverse array_sort lower_inf upper_inf
    int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange multirange
    to_bin to_oct to_ascii convert_from convert_to crc32 crc32c casefold reverse parse_ident set_byte set_bit
    sind cosd tand cotd asind acosd atand atan2d cot asinh acosh atanh erf erfc gamma lgamma random_normal
    ts_delete ts_filter tsvector_to_array array_to_tsvector json_to_tsvector jsonb_to_tsvector querytree
    tsquery_phrase host hostmask netmask network broadcast masklen family abbrev inet_merge inet_same_family
    hashtext hashtextextended point
    """.split()
)
# These make long values from short ones: each argument must be a small literal.
GROWING = {"repeat": 10_000, "lpad": 10_000, "rpad": 10_000}

TYPES = frozenset(
    """
    bool boolean int2 int4 int8 smallint int integer bigint float4 float8 real numeric decimal text varchar
    bpchar char date time timetz timestamp timestamptz interval json jsonb jsonpath uuid bytea bit varbit
    tsvector tsquery int4range int8range numrange tsrange tstzrange daterange int4multirange int8multirange
    nummultirange tsmultirange tstzmultirange datemultirange vector halfvec sparsevec inet cidr macaddr money
    name point regconfig
    """.split()
)

"""Which functions SQL may call: what a rule, a view and a query may use, and nothing else that DuckDB has or will have.

A function is here because it depends on its arguments alone and reaches nothing outside: no file, no network, no setting, no clock, no
other table. One that a new DuckDB brings is refused until somebody puts it here; a test holds every name that DuckDB knows against this.
"""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.engine.ages import AGES

ALLOWED_FUNCTIONS = frozenset(AGES) | frozenset(
    # comparison, text and patterns
    "~~ !~~ ~~* !~~* ~~~ ! lower upper trim ltrim rtrim length strlen substring substr left right replace split_part split string_split"
    " starts_with prefix ends_with suffix contains instr position regexp_matches regexp_full_match regexp_extract regexp_replace"
    " reverse lpad rpad || "
    # arithmetic
    " + - * / // % ** abs round floor ceil trunc sign mod "
    # time, always from a column
    " date_diff datediff date_sub date_trunc date_part datepart epoch year month day hour to_days to_hours to_minutes"
    " to_months to_years to_seconds to_weeks make_timestamp strptime strftime "
    # lists, structs and JSON
    " len array_length cardinality list_value list_contains list_has array_contains list_has_any list_has_all array_has_any"
    " array_has_all list_filter filter list_transform list_apply list_extract list_element list_distinct list_sort"
    " list_slice list_position list_unique flatten && @> <@ ^@ range struct_pack struct_extract row map_keys map_values map_extract"
    " -> ->> json_extract json_extract_string json_extract_path json_extract_path_text json_array_length json_keys json_type"
    " json_contains json_exists json_valid".split()
)
"""Functions that a rule may use: each gives NULL for NULL and depends on its arguments alone."""

WRITTEN_OUT: Mapping[str, int] = {"split": 1, "string_split": 1, "regexp_extract": 2, "map_extract": 1}
"""Those that give an answer for NULL all the same -> the argument, from 0, from which on nothing may be asked that could be NULL."""

ALLOWED_AGGREGATES = frozenset(
    "count count_star sum avg min max median quantile_cont bool_or bool_and count_if"
    " coalesce nullif ifnull if greatest least concat unnest".split()
)
"""What a view may use besides: a view's author answers for NULL. None depends on the order of rows, as mode or any_value would."""

BY_ORDER = frozenset("any_value first last mode list array_agg string_agg arg_max arg_min max_by min_by".split())
"""Aggregates that give another answer for another order of rows: refused in views too."""

VIEW_FUNCTIONS = ALLOWED_FUNCTIONS | ALLOWED_AGGREGATES
VIEW_WINDOWS = frozenset("rank dense_rank rank_dense percent_rank cume_dist".split())
"""Window functions of a view: rows that are equal get equal answers."""

QUERY_FUNCTIONS = (
    VIEW_FUNCTIONS
    | BY_ORDER
    | frozenset(
        # operators and their names
        "& | << >> ~ ^ ^@ @ !__postfix add subtract multiply divide xor like_escape ilike_escape not_like_escape not_ilike_escape"
        # text
        " ascii ord chr unicode bit_length octet_length char_length character_length length_grapheme lcase ucase concat_ws"
        " left_grapheme right_grapheme substring_grapheme strpos str_split str_split_regex string_split_regex string_to_array"
        " regexp_split_to_array regexp_extract_all regexp_escape strip_accents nfc_normalize translate overlay url_decode url_encode"
        " base64 to_base64 from_base64 hex unhex to_hex from_hex bin unbin to_binary from_binary encode decode md5 md5_number sha1 sha256"
        " formatReadableSize formatReadableDecimalSize format_bytes pg_size_pretty parse_formatted_bytes parse_filename parse_dirname"
        " parse_dirpath parse_path array_to_string"
        # numbers
        " pow power sqrt cbrt exp ln log log10 log2 ceiling even fdiv fmod gcd lcm greatest_common_divisor least_common_multiple"
        " round_even roundbankers signbit isnan isinf isfinite pi degrees radians sin cos tan cot asin acos atan atan2 sinh cosh tanh"
        " asinh acosh atanh factorial gamma lgamma nextafter bit_count"
        # time, always from a value
        " century dayname dayofmonth dayofweek dayofyear days_in_month decade era epoch_ms epoch_ns epoch_us isodow isoyear julian last_day"
        " make_date make_time make_timestamp_ms make_timestamp_ns microsecond millennium millisecond minute monthname"
        " nanosecond quarter second time_bucket timezone timezone_hour timezone_minute to_centuries to_decades to_microseconds to_millennia"
        " to_milliseconds to_quarters to_timestamp try_strptime week weekday weekofyear yearweek datesub datetrunc date_add"
        " normalized_interval"
        # lists
        " aggregate apply reduce array_aggr array_aggregate array_append array_apply array_cat array_concat array_distinct array_extract"
        " array_filter array_grade_up array_has array_indexof array_intersect array_pop_back array_pop_front array_position array_prepend"
        " array_push_back array_push_front array_reduce array_reverse array_reverse_sort array_select array_slice array_sort"
        " array_transform array_unique array_value array_where array_zip element_at generate_series grade_up list_aggr list_aggregate"
        " list_any_value list_append list_avg list_bit_and list_bit_or list_bit_xor list_bool_and list_bool_or list_cat list_concat"
        " list_count list_first list_grade_up list_has list_histogram list_indexof list_intersect list_last list_max list_median list_min"
        " list_mode list_pack list_prepend list_product list_reduce list_reverse list_reverse_sort list_select list_string_agg"
        " list_stddev_pop list_stddev_samp list_sum list_var_pop list_var_samp list_where list_zip repeat"
        # structs, maps and JSON
        " struct_concat struct_contains struct_extract_at struct_has struct_indexof struct_insert struct_keys struct_position struct_update"
        " struct_values map map_concat map_contains map_contains_entry map_contains_value map_entries map_extract_value map_from_entries"
        " json json_array json_object json_quote json_structure json_value json_pretty json_merge_patch json_group_array"
        " json_group_object json_group_structure array_to_json row_to_json to_json typeof"
        # aggregates
        " approx_count_distinct arbitrary argmax argmin arg_max_null arg_min_null arg_max_nulls_last"
        " arg_min_nulls_last bit_and bit_or bit_xor corr countif covar_pop covar_samp entropy favg fsum geomean geometric_mean"
        " group_concat histogram kahan_sum kurtosis kurtosis_pop listagg mad mean product quantile quantile_disc regr_avgx"
        " regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem skewness stddev stddev_pop stddev_samp"
        " sumkahan sum_no_overflow var_pop var_samp variance wavg weighted_avg".split()
    )
)
"""What a person may use in `query`. Left out though harmless: what takes the square of its arguments' time (levenshtein and its kin) or
makes much of a number (format, printf, bar, list_resize), since nothing can stop a single call."""
QUERY_WINDOWS = VIEW_WINDOWS | frozenset("row_number ntile lag lead first_value last_value nth_value fill".split())

TABLE_FUNCTIONS = frozenset("unnest range generate_series".split())
"""What may stand in a FROM with brackets."""

SWALLOWS: Mapping[str, str] = {
    "coalesce": "COALESCE",
    "ifnull": "IFNULL",
    "nullif": "NULLIF",
    "concat": "concat",
    "concat_ws": "concat_ws",
    "greatest": "greatest",
    "least": "least",
    "if": "if",
}
CLOCKS = frozenset(
    "now today age current_date current_time current_timestamp localtime localtimestamp get_current_timestamp get_current_time"
    " current_localtime current_localtimestamp transaction_timestamp ago random uuid gen_random_uuid uuidv4 uuidv7 setseed"
    " reservoir_quantile nextval currval".split()
)
"""What gives another answer the next time it is asked."""
BARE_CLOCKS = frozenset("current_date current_time current_timestamp localtime localtimestamp".split())
"""Those that need no brackets: a name of a column that no table has."""

COUNTED: Mapping[str, tuple[int, ...] | None] = {"range": None, "generate_series": None, "lpad": (1,), "rpad": (1,), "repeat": (1,)}
"""Functions that make as much as a number says -> which arguments are that number; None for all. These have to be small."""
MEASURES = frozenset("len length array_length char_length cardinality json_array_length strlen".split())
"""What counts something that is there already: never more than it."""

"""Verbs of video captions and their forms."""

from data_pipeline.graphs.words import word_set

BASE_FORMS = word_set(
    """
    accept act add adjust admire advertise advise aim amaze announce answer apologize appear applaud apply approach
    argue arrange arrive ask assemble attack attempt attend avoid bake balance bark bathe battle beat become beg bend
    bite bleed bless blow boil bounce bow box braid break bring brush build bump burn carry carve catch celebrate chase
    chat cheer chew chop circle clap clean climb collide comb commentate communicate compete complain confess confront
    congratulate connect consult continue cook correct crash crawl create cross cruise cry cut dance dangle decide
    decorate defend deliver demo demonstrate depict describe destroy direct disappear discover discuss disembark
    dismantle disturb dive dodge drag draw dress drift drink drip drive drop drown eat edit embrace emerge encourage
    engage enjoy enter entertain erase examine exercise exit expand explain explode explore expose fall feed fight film
    fish flatten flee flip float flow fly fold follow fondle fry garnish gather gaze give glide glue grab grapple grate
    graze greet grill grind grow growl hang happen hear help hide hike hit hold hop hug hunt illustrate imitate inform
    insert inspect install instruct interact interview introduce investigate jog joke juggle jump kick kill kiss knead
    kneel knit knock laugh lead lean leap learn leave lecture lick lie lift listen live look lounge maneuver make march
    marinate massage measure meow mimic mix mop mourn move murder nap narrate navigate nod observe occur open operate
    orbit organize oscillate paint pamper participate pass pat peel perform pester pet photograph pick place play plead
    pluck point pose pounce pour practice practise pray preach prepare present pretend promote protest provide pull
    pump punch push put race rap reach react read receive reenact reflect rehearse relax remove repair replace reveal
    review revolve ride roam roar roast rock roll rotate row rub rummage run sail scream scrub sculpt search season
    seduce see seek select sell send serve sew shake shampoo sharpen shave shoot shout shove show showcase shred shrink
    shuffle sift simmer simulate sing sip sit skate skateboard ski skip skydive slam slap slash sleep slice slide
    slither smash smell smile smoke snatch sneak sneeze sniff snore snowboard snuggle solve spar speak spend spin splash
    spray spread sprinkle sprint squat squeeze stack stand stare start steal step stir stitch stomp stop straighten
    stretch stroll struggle strum study surf swallow sway swap swear sweep swim swing swirl switch talk tap taste teach
    tear tease tell tend thank threaten throw tickle tie toss touch tour trail train travel tremble trim trot try tuck
    turn tweeze twirl twist type unbox unfold unpack unwrap unzip urinate use vacuum vandalize vanish visit vlog waddle
    wait wake walk wander warm wash watch water wave wear weave weep weld whine whip whisk whisper whistle wield win
    wink wipe work wrap wrestle write yawn yell zoom
    bat block blend butter change check chip clear click close collect color comment compare compete crack curl dice
    dig dip display dribble drill drum dunk empty escape fill finish fire fix flash get grease groom gesture groove
    hammer hand handle heat host land launch lay light load lock meet melt mince mow nibble offer pack paddle park
    paste paw peck pedal pitch plant plate polish pop purchase rain rake raise record repeat report rest rinse score
    scoop scrape scratch shovel shop shower sigh sketch spoon split start stroke style tackle tape taunt tow trace
    wheel
    """
)

OFTEN_NOUNS = word_set(
    """
    bats blocks blends butters changes checks chips clears clicks closes colors comments curls dices dips displays
    drills drums dunks empties escapes fires fixes flashes gestures grooves hammers hands handles heats hosts lands
    lights loads locks meets packs paddles parks pastes paws pedals pitches plants plates polishes pops purchases
    rains rakes raises records repeats reports rests reviews scores scoops scrapes scratches shovels shops showers sighs
    sketches spoons splits starts strokes styles tackles tapes tours traces wheels presents pumps practices protests
    jokes lectures photographs mimics demos lives glues waters trots braids kisses vacuums edits
    """
)
"""Third persons that are more often plural nouns: a noun before them does not make them verbs."""

NOUN_PAIRS = word_set(
    """
    dance_moves wrestling_moves talk_shows tv_shows television_shows cartoon_shows fashion_shows game_shows
    stage_plays ski_jumps mountain_passes car_races test_drives sports_talk sports_show sports_drink kids_show
    kids_play sword_fights street_fights horse_rides food_drinks news_show
    """
)

VERBS_ONLY = word_set(
    """
    discuss explain describe listen sing sit speak eat enter perform prepare demonstrate compete wrestle argue
    celebrate introduce learn participate teach wear
    """
)
"""Base forms that are never nouns."""

GERUND_NOUNS = word_set(
    """
    thing something anything nothing everything king ring string wing spring building ceiling wedding morning
    evening clothing pudding dressing earring swing sibling viking being meaning painting drawing recording sling
    sting sterling awning railing bing ping boeing beijing wellbeing lightning duckling dumpling stuffing icing
    frosting seasoning topping filling flooring setting stocking housing
    """
)
"""Nouns that end like a participle."""

_DOUBLED = word_set(
    """
    chop clap cut dig dip drag drip drop drum flip get grab hit hop hug jog knit mop nap nod pat pet plan plug pop
    put rap rip rub run scrub set shop shred sip sit skip slam slap slip snap spar spin split squat step stir stop
    strum swap swim swat tap trim trot tug unwrap unzip vlog win wrap begin bat chat whip chip beg occur
    """
)


def third_person(base: str) -> str:
    """ "Carries" of "carry"."""
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + ("es" if base.endswith(("s", "sh", "ch", "x", "z")) else "s")


def gerund(base: str) -> str:
    """ "Carrying" of "carry"."""
    if base.endswith("ie"):
        return base[:-2] + "ying"
    if base.endswith("ic"):
        return base + "king"
    if base.endswith("e") and not base.endswith(("ee", "ye")):
        return base[:-1] + "ing"
    return base + (base[-1] if base in _DOUBLED else "") + "ing"


GERUND_OF_BASE = {base: gerund(base) for base in BASE_FORMS}
GERUND_OF_THIRD_PERSON = {third_person(base): gerund(base) for base in BASE_FORMS}
